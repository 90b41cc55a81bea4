import { describe, expect, it } from "vitest";
import { CodePointText } from "./codepoints";

describe("CodePointText", () => {
  it("keeps offsets of a text without astral characters", () => {
    const text = new CodePointText("Pièce d’identité");
    expect(text.length).toBe(16);
    expect(text.toUnit(6)).toBe(6);
    expect(text.slice({ start: 0, end: 5 })).toBe("Pièce");
  });

  it("shifts offsets after each astral character", () => {
    const text = new CodePointText("a😀b𝔸c");
    expect(text.length).toBe(5);
    expect([0, 1, 2, 3, 4, 5].map((offset) => text.toUnit(offset))).toEqual([0, 1, 3, 4, 6, 7]);
    expect(text.slice({ start: 1, end: 2 })).toBe("😀");
    expect(text.slice({ start: 4, end: 5 })).toBe("c");
  });

  it("counts combining sequences by code point, as Python does", () => {
    const text = new CodePointText("e\u0301👩‍👧");
    expect(text.length).toBe(5);
    expect(text.slice({ start: 2, end: 5 })).toBe("👩‍👧");
  });

  it("brings offsets outside the text to its ends", () => {
    const text = new CodePointText("😀");
    expect(text.toUnit(-3)).toBe(0);
    expect(text.toUnit(9)).toBe(2);
    expect(text.slice({ start: 1, end: 0 })).toBe("");
  });
});
