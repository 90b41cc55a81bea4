import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useQuery } from "@tanstack/react-query";
import { useState, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { call, fetchDocument } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import { formatMoment } from "../i18n/format";
import { FailureNotice } from "../layout/FailureNotice";
import { Notice } from "../layout/Notice";
import { DocumentBody } from "../sources/DocumentBody";
import { DocumentFacts } from "../sources/DocumentFacts";
import { PageView } from "../sources/PageView";
import { DocumentStateView } from "./DocumentState";
import type { Collection } from "./types";
import { COLLECTIONS, useVersions } from "./useCollections";

interface Props {
  collection: Collection;
  documentId: string;
  heading: RefObject<HTMLHeadingElement | null>;
  onSaid: (text: string) => void;
}

/** One document: the original and the text that was read of it, side by side. */
export function DocumentPart({ documentId, heading, onSaid }: Props) {
  const { t, i18n } = useTranslation();
  const [version, setVersion] = useState<number | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const versions = useVersions(documentId);
  const query = useQuery({
    queryKey: [COLLECTIONS, "document", documentId, version, i18n.language],
    queryFn: ({ signal }) => fetchDocument(documentId, i18n.language, signal, version),
    networkMode: "always",
    retry: false,
  });
  const source = query.data;

  const download = async () => {
    if (!source) return;
    setFailure(null);
    try {
      const path = `/api/documents/${encodeURIComponent(documentId)}/original?version=${source.version}`;
      const blob = await (await call(path, i18n.language)).blob();
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = source.name;
      link.click();
      URL.revokeObjectURL(link.href);
      onSaid(t("collections.downloaded", { name: source.name }));
    } catch (error) {
      setFailure(asFailure(error));
    }
  };

  return (
    <section className="part" aria-labelledby="document-title">
      <h2 id="document-title" ref={heading} tabIndex={-1} lang={source ? "fr" : undefined}>
        {source?.title || source?.name || t("source.loading")}
      </h2>
      {query.error && (
        <FailureNotice
          topic="administration"
          failure={asFailure(query.error)}
          onRetry={() => void query.refetch()}
        />
      )}
      {failure && <FailureNotice topic="administration" failure={failure} />}
      {source && (
        <>
          <DocumentStateView document={source} whole />
          <div className="buttons">
            {source.original && (
              <Button type="button" variant="bordered" data-testid="download" onClick={() => void download()}>
                {t("collections.download")}
              </Button>
            )}
            {(versions.data?.length ?? 0) > 1 && (
              <div className="field field--line">
                <label htmlFor="version">{t("collections.version")}</label>
                <select
                  id="version"
                  value={source.version}
                  onChange={(event) => setVersion(Number(event.target.value))}
                >
                  {versions.data?.map((each) => (
                    <option key={each.number} value={each.number}>
                      {t("collections.versionOf", {
                        number: each.number,
                        date: formatMoment(each.created_at, i18n.language),
                      })}
                    </option>
                  ))}
                </select>
              </div>
            )}
          </div>
          {source.superseded && <Notice tone="warning">{t("collections.superseded")}</Notice>}
          <DocumentFacts source={source} />
          <div className="side-by-side" data-pages={source.pages.length > 0}>
            {source.drawable && (
              <section aria-labelledby="original-title">
                <h3 id="original-title">{t("collections.original")}</h3>
                <PageView
                  place={{ documentId, version: source.version }}
                  pages={source.pages}
                  cited={null}
                />
              </section>
            )}
            <section aria-labelledby="text-title">
              <h3 id="text-title">{t("collections.text")}</h3>
              {source.text ? (
                <DocumentBody source={source} cited={null} />
              ) : (
                <p className="hint">{t("collections.noText")}</p>
              )}
            </section>
          </div>
        </>
      )}
    </section>
  );
}
