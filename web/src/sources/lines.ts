import type { Box } from "../api/types";

/** A rectangle of a page, as shares of its width and height. */
export interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** How much of the lower of two boxes must stand beside the other for one line, 0 to 1. */
const SAME_LINE = 0.5;

function beside(a: Box, b: Box): boolean {
  const shared = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return shared > SAME_LINE * Math.min(a.bottom - a.top, b.bottom - b.top);
}

/**
 * What is to be marked of a page: the boxes of neighbouring words of a line as one rectangle.
 *
 * `width` and `height` are the page's, in the boxes' own unit.
 */
export function markedLines(boxes: readonly Box[], width: number, height: number): Area[] {
  const lines: Box[] = [];
  for (const box of boxes) {
    const line = lines.at(-1);
    // A word that stands left of the one before it begins another line, or another column.
    if (line && beside(line, box) && box.left >= line.left) {
      line.right = Math.max(line.right, box.right);
      line.top = Math.min(line.top, box.top);
      line.bottom = Math.max(line.bottom, box.bottom);
    } else lines.push({ ...box });
  }
  return lines.map(({ left, top, right, bottom }) => ({
    left: left / width,
    top: top / height,
    width: (right - left) / width,
    height: (bottom - top) / height,
  }));
}
