import type { Piece } from "./pieces";

/** A paragraph (lines kept apart) or a list of the answer. */
export type AnswerBlock =
  | { kind: "paragraph"; lines: Piece[][] }
  | { kind: "list"; items: Piece[][] };

const BULLET = /^\s*[-*•–]\s+/;

function splitLines(pieces: readonly Piece[]): Piece[][] {
  const lines: Piece[][] = [[]];
  for (const piece of pieces) {
    const parts = piece.text.split("\n");
    parts.forEach((text, index) => {
      if (index > 0) lines.push([]);
      const closes = index === parts.length - 1 ? piece.closes : null;
      if (text !== "" || closes) {
        lines.at(-1)?.push({ ...piece, text, closes });
      }
    });
  }
  return lines;
}

function withoutBullet(line: readonly Piece[]): Piece[] | null {
  const text = line.map((piece) => piece.text).join("");
  const bullet = BULLET.exec(text);
  if (!bullet) return null;
  let left = bullet[0].length;
  return line.flatMap((piece) => {
    const dropped = Math.min(left, piece.text.length);
    left -= dropped;
    const kept = piece.text.slice(dropped);
    return kept === "" && !piece.closes ? [] : [{ ...piece, text: kept }];
  });
}

/** Lays pieces out as paragraphs and simple lists: blank lines part blocks, « - » opens an item. */
export function layAnswer(pieces: readonly Piece[]): AnswerBlock[] {
  const blocks: AnswerBlock[] = [];
  let current: AnswerBlock | null = null;
  for (const line of splitLines(pieces)) {
    if (line.every((piece) => piece.text.trim() === "" && !piece.closes)) {
      current = null;
      continue;
    }
    const item = withoutBullet(line);
    if (item) {
      if (current?.kind !== "list") blocks.push((current = { kind: "list", items: [] }));
      current.items.push(item);
    } else {
      if (current?.kind !== "paragraph") blocks.push((current = { kind: "paragraph", lines: [] }));
      current.lines.push(line);
    }
  }
  return blocks;
}
