import type { Span } from "../api/types";

/**
 * A text that can be cut by code-point offsets, which is how the server counts.
 *
 * JavaScript counts UTF-16 units: the two differ after any character beyond U+FFFF. The table of
 * positions is built only for texts that hold such a character.
 */
export class CodePointText {
  readonly length: number;
  private readonly units: Uint32Array | null;

  constructor(readonly text: string) {
    if (!/[\uD800-\uDBFF][\uDC00-\uDFFF]/.test(text)) {
      this.units = null;
      this.length = text.length;
      return;
    }
    const positions: number[] = [];
    let unit = 0;
    for (const character of text) {
      positions.push(unit);
      unit += character.length;
    }
    this.length = positions.length;
    positions.push(unit);
    this.units = Uint32Array.from(positions);
  }

  /** UTF-16 offset of a code-point offset; offsets outside the text are brought to its ends. */
  toUnit(offset: number): number {
    const inside = Math.min(Math.max(offset, 0), this.length);
    return this.units ? (this.units[inside] ?? this.text.length) : inside;
  }

  slice({ start, end }: Span): string {
    return this.text.slice(this.toUnit(start), this.toUnit(Math.max(start, end)));
  }
}
