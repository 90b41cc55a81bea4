import { useId, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

export interface Column<Row> {
  /** Heading. */
  title: string;
  cell: (row: Row) => ReactNode;
  /** Figures are set to the right. */
  numeric?: boolean;
}

interface Props<Row> {
  caption: string;
  /** The first names the row. */
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  /** Shown instead of a table without rows. */
  empty: string;
  /** A last row that sums up; a cell by column. */
  foot?: ReactNode[];
  testId?: string;
}

/** A table with its caption; where it is wider than the page it scrolls by itself, by keys too. */
export function DataTable<Row>({ caption, columns, rows, rowKey, empty, foot, testId }: Props<Row>) {
  const id = useId();
  if (rows.length === 0) {
    return (
      <p className="hint" data-testid={testId}>
        {empty}
      </p>
    );
  }
  return (
    <div className="table" role="region" aria-labelledby={id} tabIndex={0} data-testid={testId}>
      <table>
        <caption id={id}>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, numeric }) => (
              <th key={title} scope="col" className={numeric ? "numeric" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ title, cell, numeric }, index) =>
                index === 0 ? (
                  <th key={title} scope="row">
                    {cell(row)}
                  </th>
                ) : (
                  <td key={title} className={numeric ? "numeric" : undefined}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
        {foot && (
          <tfoot>
            <tr>
              {foot.map((cell, index) =>
                index === 0 ? (
                  <th key={index} scope="row">
                    {cell}
                  </th>
                ) : (
                  <td key={index} className={columns[index]?.numeric ? "numeric" : undefined}>
                    {cell}
                  </td>
                ),
              )}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

/** A name that doesn't say what it is when heard alone, and what it is about. */
export function About({ label, of }: { label: string; of: string }) {
  const { t } = useTranslation();
  return (
    <>
      {label}
      <span className="visually-hidden">{t("admin.about", { of })}</span>
    </>
  );
}
