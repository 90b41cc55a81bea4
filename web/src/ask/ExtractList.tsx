import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import type { Extracts } from "../api/types";
import { SourceFacts } from "../sources/SourceFacts";
import type { OpenSource } from "../sources/target";

/** The official texts nearest to the question, word for word. */
export function ExtractList({ extracts, onOpen }: { extracts: Extracts; onOpen: OpenSource }) {
  const { t } = useTranslation();
  return (
    <ol className="extracts">
      {extracts.extracts.map((extract) => (
        <li key={`${extract.number}-${extract.start}`} className="extract" data-testid="extract">
          <h4 className="extract__title">
            <span className="number" aria-hidden="true">
              {extract.number}
            </span>
            <span lang="fr">{extract.document.title}</span>
          </h4>
          <SourceFacts
            document={extract.document}
            headingPath={extract.passage.heading_path}
            page={extract.page}
          />
          <blockquote lang="fr" cite={extract.document.url}>{extract.text}</blockquote>
          <Button
            type="button"
            variant="bordered"
            size="small"
            onClick={() =>
              onOpen({
                documentId: extract.document.id,
                version: extract.version,
                span: { start: extract.start, end: extract.end },
                doubt: null,
              })
            }
          >
            {t("extracts.open")}
            <span className="visually-hidden"> : {extract.document.title}</span>
          </Button>
        </li>
      ))}
    </ol>
  );
}
