import { describe, expect, it } from "vitest";
import type { Block, BlockKind } from "../api/types";
import { outline, type Element, type Run } from "./outline";

function build(...parts: [BlockKind, number, string][]): { text: string; blocks: Block[] } {
  let text = "";
  let length = 0;
  const blocks = parts.map(([kind, level, content]) => {
    if (text !== "") {
      text += "\n";
      length += 1;
    }
    const start = length;
    text += content;
    length += [...content].length;
    return { kind, level, start, end: length };
  });
  return { text, blocks };
}

const cited = (runs: Run[]) =>
  runs
    .filter((run) => run.cited)
    .map((run) => run.text)
    .join("");

const runsOf = (element: Element | undefined): Run[] => {
  if (!element || !("runs" in element)) throw new Error("no runs");
  return element.runs;
};

describe("outline", () => {
  it("marks a span that crosses blocks, after astral characters", () => {
    const { text, blocks } = build(["paragraph", 0, "😀 Un deux"], ["paragraph", 0, "trois quatre"]);
    const elements = outline(text, blocks, { start: 5, end: 15 });
    expect(cited(runsOf(elements[0]))).toBe("deux");
    expect(cited(runsOf(elements[1]))).toBe("trois");
    expect(runsOf(elements[1]).map((run) => run.text).join("")).toBe("trois quatre");
  });

  it("marks nothing without a span", () => {
    const { text, blocks } = build(["paragraph", 0, "Un"]);
    expect(outline(text, blocks, null)).toEqual([
      { kind: "paragraph", runs: [{ text: "Un", cited: false }] },
    ]);
  });

  it("never skips a heading rank on the way down", () => {
    const { text, blocks } = build(
      ["heading", 2, "A"],
      ["case", 5, "B"],
      ["heading", 6, "C"],
      ["heading", 2, "D"],
      ["case", 3, "E"],
    );
    const ranks = outline(text, blocks, null).map((each) => ("rank" in each ? each.rank : 0));
    expect(ranks).toEqual([3, 4, 5, 3, 4]);
  });

  it("nests items by level and opens a new list after other text", () => {
    const { text, blocks } = build(
      ["item", 1, "a"],
      ["item", 2, "b"],
      ["item", 1, "c"],
      ["paragraph", 0, "p"],
      ["item", 2, "d"],
    );
    const [first, , second] = outline(text, blocks, null);
    expect(first).toMatchObject({
      kind: "list",
      items: [{ children: [{ runs: [{ text: "b" }] }] }, { runs: [{ text: "c" }] }],
    });
    expect(second).toMatchObject({ kind: "list", items: [{ runs: [{ text: "d" }] }] });
  });

  it("gathers neighbouring rows in one table", () => {
    const { text, blocks } = build(["row", 0, "a | b"], ["row", 0, "c | d"]);
    expect(outline(text, blocks, { start: 2, end: 9 })).toEqual([
      {
        kind: "rows",
        rows: [
          [
            { text: "a ", cited: false },
            { text: "| b", cited: true, opens: true },
          ],
          [
            { text: "c |", cited: true, closes: true },
            { text: " d", cited: false },
          ],
        ],
      },
    ]);
  });

  it("makes a table of rows whose cells are known, and marks what is cited across them", () => {
    const { text, blocks } = build(["row", 0, "a | b"], ["row", 0, "c | d"]);
    const cells = blocks.map(({ start }) => [
      [start, start + 1],
      [start + 4, start + 5],
    ]) as [number, number][][];
    const known = blocks.map((block, index) => ({ ...block, cells: cells[index]! }));
    expect(outline(text, known, { start: 2, end: 7 })).toEqual([
      {
        kind: "table",
        rows: [
          [[{ text: "a", cited: false }], [{ text: "b", cited: true, opens: true }]],
          [[{ text: "c", cited: true, closes: true }], [{ text: "d", cited: false }]],
        ],
      },
    ]);
  });
});
