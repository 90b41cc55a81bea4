import { Fragment, useMemo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { SourceDocument, Span } from "../api/types";
import { outline, type Element, type ListItem, type Run } from "./outline";

function Runs({ runs }: { runs: Run[] }) {
  const { t, i18n } = useTranslation();
  const spoken = (text: string) => (
    <span className="visually-hidden" lang={i18n.language}>
      {` ${text} `}
    </span>
  );
  return runs.map((run, index) =>
    run.cited ? (
      <Fragment key={index}>
        {run.opens && spoken(t("source.citedStart"))}
        <mark data-testid="source-highlight">{run.text}</mark>
        {run.closes && spoken(t("source.citedEnd"))}
      </Fragment>
    ) : (
      <span key={index}>{run.text}</span>
    ),
  );
}

function Items({ items }: { items: ListItem[] }) {
  return (
    <ul>
      {items.map((item, index) => (
        <li key={index}>
          <Runs runs={item.runs} />
          {item.children.length > 0 && <Items items={item.children} />}
        </li>
      ))}
    </ul>
  );
}

function Heading({ rank, children }: { rank: number; children: ReactNode }) {
  const Tag = `h${rank}` as "h3" | "h4" | "h5" | "h6";
  return <Tag>{children}</Tag>;
}

/** Its first row names the columns, its first column the rows; wider than the panel, it scrolls. */
function Table({ rows: [head = [], ...rows] }: { rows: Run[][][] }) {
  const { t } = useTranslation();
  return (
    <div className="table" role="region" tabIndex={0} aria-label={t("source.table")}>
      <table>
        <thead>
          <tr>
            {head.map((runs, index) => (
              <th key={index} scope="col">
                <Runs runs={runs} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((runs, index) =>
                index === 0 ? (
                  <th key={index} scope="row">
                    <Runs runs={runs} />
                  </th>
                ) : (
                  <td key={index}>
                    <Runs runs={runs} />
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A document drawn by its structure, its text untouched, with the cited span marked. */
export function DocumentBody({ source, cited }: { source: SourceDocument; cited: Span | null }) {
  const { t } = useTranslation();
  const elements = useMemo(() => outline(source.text, source.blocks, cited), [source, cited]);
  const draw = (element: Element) => {
    switch (element.kind) {
      case "heading":
        return (
          <Heading rank={element.rank}>
            <Runs runs={element.runs} />
          </Heading>
        );
      case "case":
        return (
          <div className="case">
            <Heading rank={element.rank}>
              <span className="case__label">{t("source.case")}</span>
              <Runs runs={element.runs} />
            </Heading>
          </div>
        );
      case "paragraph":
        return (
          <p>
            <Runs runs={element.runs} />
          </p>
        );
      case "note":
        return (
          <p className="note">
            <Runs runs={element.runs} />
          </p>
        );
      case "list":
        return <Items items={element.items} />;
      case "table":
        return <Table rows={element.rows} />;
      case "rows":
        return (
          <ul className="rows">
            {element.rows.map((runs, index) => (
              <li key={index}>
                <Runs runs={runs} />
              </li>
            ))}
          </ul>
        );
    }
  };
  return (
    <div className="document" lang="fr">
      {elements.map((element, index) => (
        <div key={index}>{draw(element)}</div>
      ))}
    </div>
  );
}
