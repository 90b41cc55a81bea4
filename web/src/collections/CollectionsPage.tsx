import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { KeyForm } from "../access/KeyForm";
import { ConfirmProvider } from "../admin/parts/Confirm";
import { Announce } from "../admin/parts/useAction";
import { asFailure, isUnauthorised } from "../api/failure";
import { useStatus } from "../corpus/useStatus";
import { FailureNotice } from "../layout/FailureNotice";
import { Footer } from "../layout/Footer";
import { Header } from "../layout/Header";
import { CollectionList } from "./CollectionList";
import { CollectionPart } from "./CollectionPart";
import { DocumentPart } from "./DocumentPart";
import { addressOf, type CollectionPlace } from "./place";
import { COLLECTIONS, useCollections } from "./useCollections";

/** The collections of documents: what is in them, and what is on its way. */
export default function CollectionsPage({ place }: { place: CollectionPlace }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const status = useStatus(i18n.language);
  const query = useCollections();
  const [said, setSaid] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const main = useRef<HTMLElement>(null);
  const collection = query.data?.find((each) => each.slug === place.slug);

  useEffect(() => {
    document.title = t("collections.documentTitle", { name: collection?.title ?? t("collections.title") });
    return () => {
      document.title = t("header.documentTitle");
    };
  }, [t, collection?.title]);

  // Who comes by a link from one place to another is led to its heading.
  const at = `${place.slug}/${place.documentId}`;
  const arrived = useRef(at);
  useEffect(() => {
    if (arrived.current !== at) heading.current?.focus();
    arrived.current = at;
  }, [at]);

  const say = useCallback((text: string) => setSaid(text), []);
  const useKey = () => {
    void client.resetQueries({ queryKey: [COLLECTIONS] });
    void client.invalidateQueries({ queryKey: ["status"] });
  };

  const body = (): ReactNode => {
    const failure = query.error ? asFailure(query.error) : null;
    if (failure && isUnauthorised(failure)) {
      return (
        <>
          <p>{t("collections.keyNeeded")}</p>
          <KeyForm onSaved={useKey} />
        </>
      );
    }
    if (!query.data) {
      return failure ? (
        <FailureNotice topic="administration" failure={failure} onRetry={() => void query.refetch()} />
      ) : (
        <p className="hint">{t("admin.loading")}</p>
      );
    }
    if (place.slug === null) {
      return <CollectionList collections={query.data} heading={heading} onSaid={say} />;
    }
    if (!collection) {
      return (
        <>
          <h2 ref={heading} tabIndex={-1}>
            {t("collections.unknown")}
          </h2>
          <p>{t("collections.unknownHint")}</p>
        </>
      );
    }
    return place.documentId === null ? (
      <CollectionPart key={collection.slug} collection={collection} heading={heading} onSaid={say} />
    ) : (
      <DocumentPart
        key={place.documentId}
        collection={collection}
        documentId={place.documentId}
        heading={heading}
        onSaid={say}
      />
    );
  };

  return (
    <div className="page page--wide">
      <a
        className="skip"
        href="#collections-main"
        onClick={(event) => {
          // The address says which collection is shown.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t("skip")}
      </a>
      <Header title={t("collections.title")} />
      <main ref={main} id="collections-main" tabIndex={-1} className="main" data-testid="collections">
        {place.slug !== null && (
          <nav aria-label={t("collections.path")}>
            <ol className="trail">
              <li>
                <a href={addressOf()}>{t("collections.all")}</a>
              </li>
              {collection && place.documentId !== null && (
                <li>
                  <a href={addressOf(collection.slug)}>{collection.title}</a>
                </li>
              )}
            </ol>
          </nav>
        )}
        <Announce.Provider value={say}>
          <ConfirmProvider>{body()}</ConfirmProvider>
        </Announce.Provider>
        <p role="status" className="result" data-testid="result">
          {said}
        </p>
      </main>
      <Footer status={status.data} />
    </div>
  );
}
