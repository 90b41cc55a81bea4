import type { Block, Span } from "../api/types";
import { CodePointText } from "../text/codepoints";

/** A run of text, inside the cited span or not. */
export interface Run {
  text: string;
  cited: boolean;
  /** Set on the first and on the last cited run of the document. */
  opens?: true;
  closes?: true;
}

export interface ListItem {
  runs: Run[];
  children: ListItem[];
}

/** What the panel draws, in order. `rank` is the HTML heading level. */
export type Element =
  | { kind: "heading" | "case"; rank: number; runs: Run[] }
  | { kind: "paragraph" | "note"; runs: Run[] }
  | { kind: "list"; items: ListItem[] }
  | { kind: "rows"; rows: Run[][] }
  | { kind: "table"; rows: Run[][][] };

const FIRST_RANK = 3;
const LAST_RANK = 6;

function cutRuns(text: CodePointText, block: Span, cited: Span | null): Run[] {
  const from = cited ? Math.min(Math.max(cited.start, block.start), block.end) : block.end;
  const to = cited ? Math.min(Math.max(cited.end, from), block.end) : block.end;
  return [
    { text: text.slice({ start: block.start, end: from }), cited: false },
    { text: text.slice({ start: from, end: to }), cited: true },
    { text: text.slice({ start: to, end: block.end }), cited: false },
  ].filter((run) => run.text !== "");
}

function addItem(items: ListItem[], depth: number, item: ListItem): void {
  const parent = items.at(-1);
  if (depth > 1 && parent) addItem(parent.children, depth - 1, item);
  else items.push(item);
}

function itemRuns({ runs, children }: ListItem): Run[] {
  return [...runs, ...children.flatMap(itemRuns)];
}

/** Everything that an element says, in order. */
function runsOf(element: Element): Run[] {
  switch (element.kind) {
    case "list":
      return element.items.flatMap(itemRuns);
    case "rows":
      return element.rows.flat();
    case "table":
      return element.rows.flat(2);
    default:
      return element.runs;
  }
}

/**
 * The drawable outline of a document, its cited span marked, across blocks where it crosses them.
 *
 * Heading ranks start under the panel's title and never skip one on the way down, whatever levels
 * the source gives; neighbouring items make nested lists, neighbouring rows one table.
 */
export function outline(text: string, blocks: readonly Block[], cited: Span | null): Element[] {
  const source = new CodePointText(text);
  const elements: Element[] = [];
  const ranks: { level: number; rank: number }[] = [];
  for (const block of blocks) {
    const runs = cutRuns(source, block, cited);
    const last = elements.at(-1);
    switch (block.kind) {
      case "heading":
      case "case": {
        while ((ranks.at(-1)?.level ?? 0) >= block.level) ranks.pop();
        const rank = Math.min((ranks.at(-1)?.rank ?? FIRST_RANK - 1) + 1, LAST_RANK);
        ranks.push({ level: block.level, rank });
        elements.push({ kind: block.kind, rank, runs });
        break;
      }
      case "item": {
        const list = last?.kind === "list" ? last : { kind: "list" as const, items: [] };
        if (list !== last) elements.push(list);
        addItem(list.items, block.level, { runs, children: [] });
        break;
      }
      case "row":
        if (block.cells && block.cells.length > 0) {
          const cells = block.cells.map(([start, end]) => cutRuns(source, { start, end }, cited));
          if (last?.kind === "table") last.rows.push(cells);
          else elements.push({ kind: "table", rows: [cells] });
        } else if (last?.kind === "rows") last.rows.push(runs);
        else elements.push({ kind: "rows", rows: [runs] });
        break;
      default:
        elements.push({ kind: block.kind, runs });
    }
  }
  const marked = elements.flatMap(runsOf).filter((run) => run.cited);
  const [first] = marked;
  const last = marked.at(-1);
  if (first) first.opens = true;
  if (last) last.closes = true;
  return elements;
}
