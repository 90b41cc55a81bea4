import { describe, expect, it } from "vitest";
import type { Box } from "../api/types";
import { markedLines } from "./lines";

const box = (left: number, top: number, right: number, bottom: number): Box => ({
  start: 0,
  end: 1,
  page: 1,
  left,
  top,
  right,
  bottom,
});

describe("markedLines", () => {
  it("joins the words of a line, whatever their height", () => {
    const lines = markedLines([box(10, 10, 20, 20), box(25, 12, 50, 20)], 100, 200);
    expect(lines).toEqual([{ left: 0.1, top: 0.05, width: 0.4, height: 0.05 }]);
  });

  it("keeps the lines of a paragraph apart, and those of two columns", () => {
    const boxes = [box(10, 10, 40, 20), box(10, 22, 40, 32), box(60, 10, 90, 20)];
    expect(markedLines(boxes, 100, 100)).toHaveLength(3);
  });

  it("marks nothing where nothing is cited", () => {
    expect(markedLines([], 100, 100)).toEqual([]);
  });
});
