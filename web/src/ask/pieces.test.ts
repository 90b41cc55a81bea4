import { describe, expect, it } from "vitest";
import type { Citation, Sentence } from "../api/types";
import { layAnswer } from "./layout";
import { cutAnswer } from "./pieces";

function cite(number: number, start: number, end: number): Citation {
  return {
    number,
    start,
    end,
    status: "checked",
    reason: null,
    found_in: null,
    version: null,
    document_id: "d",
    passage_id: 1,
    span: null,
    quote: null,
  };
}

function sentence(
  start: number,
  end: number,
  status: Sentence["status"],
  citations: Citation[] = [],
): Sentence {
  return { index: 0, start, end, status, citations };
}

const joined = (text: string, sentences: Sentence[]) =>
  cutAnswer(text, sentences)
    .map((piece) => piece.text)
    .join("");

describe("cutAnswer", () => {
  it("leaves everything pending before any judgement", () => {
    expect(cutAnswer("Bonjour.", [])).toEqual([
      { text: "Bonjour.", status: "pending", citation: null, closes: null },
    ]);
  });

  it("finds a marker after its sentence, with astral characters before it", () => {
    const text = "😀 Oui. [1] Suite";
    const pieces = cutAnswer(text, [sentence(0, 6, "supported", [cite(1, 7, 10)])]);
    expect(pieces.map((piece) => [piece.text, piece.status, piece.citation?.number])).toEqual([
      ["😀 Oui.", "supported", undefined],
      [" ", "neutral", undefined],
      ["[1]", "supported", 1],
      [" Suite", "pending", undefined],
    ]);
  });

  it("finds markers inside their sentence", () => {
    const pieces = cutAnswer("Un [1] deux [2].", [
      sentence(0, 16, "supported", [cite(1, 3, 6), cite(2, 12, 15)]),
    ]);
    expect(pieces.map((piece) => piece.text)).toEqual(["Un ", "[1]", " deux ", "[2]", "."]);
  });

  it("closes an unsupported sentence once, after its marker", () => {
    const pieces = cutAnswer("Faux [1]. Vrai.", [
      sentence(0, 9, "unsupported", [cite(1, 5, 8)]),
      sentence(10, 15, "supported"),
    ]);
    expect(pieces.filter((piece) => piece.closes).map((piece) => piece.text)).toEqual([
      ".",
    ]);
  });

  it("loses no character, even with overlapping or overlong spans", () => {
    const text = "a😀b [1][2] fin\n- x";
    expect(joined(text, [sentence(0, 4, "neutral"), sentence(2, 90, "supported")])).toBe(text);
    expect(
      joined(text, [sentence(0, 12, "supported", [cite(1, 4, 7), cite(2, 5, 10), cite(3, 9, 99)])]),
    ).toBe(text);
  });
});

describe("layAnswer", () => {
  const shape = (text: string) =>
    layAnswer(cutAnswer(text, [])).map((block) =>
      (block.kind === "list" ? block.items : block.lines).map((line) =>
        line.map((piece) => piece.text).join(""),
      ),
    );

  it("parts paragraphs and lists", () => {
    expect(shape("Il faut :\n- une photo\n- un timbre\n\nFin.\nSuite.")).toEqual([
      ["Il faut :"],
      ["une photo", "un timbre"],
      ["Fin.", "Suite."],
    ]);
  });

  it("keeps markup as text", () => {
    expect(shape("<img src=x onerror=alert(1)>")).toEqual([["<img src=x onerror=alert(1)>"]]);
  });

  it("keeps the label of an unsupported sentence that ends with a line", () => {
    const blocks = layAnswer(cutAnswer("- Faux.\n", [sentence(0, 8, "unsupported")]));
    const pieces = blocks.flatMap((block) => (block.kind === "list" ? block.items : block.lines));
    expect(pieces.flat().some((piece) => piece.closes)).toBe(true);
  });
});
