import { describe, expect, it } from "vitest";
import en from "./en.json";
import { formatDate, formatNumber } from "./format";
import fr from "./fr.json";

type Tree = { [key: string]: string | Tree };

function flatten(tree: Tree, prefix = ""): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const path = prefix + key;
    if (typeof value === "string") flat.set(path, value);
    else for (const [inner, text] of flatten(value, `${path}.`)) flat.set(inner, text);
  }
  return flat;
}

const french = flatten(fr);
const english = flatten(en);
const variables = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

describe("strings", () => {
  it("has the same keys in both languages", () => {
    expect([...english.keys()].sort()).toEqual([...french.keys()].sort());
  });

  it("uses the same variables in both languages", () => {
    for (const [key, text] of french) {
      expect(variables(english.get(key) ?? ""), key).toEqual(variables(text));
    }
  });

  it("has no empty string", () => {
    for (const [key, text] of [...french, ...english]) expect(text.trim(), key).not.toBe("");
  });

  it("sets French double punctuation off with a no-break space", () => {
    for (const [key, text] of french) {
      expect(text, key).not.toMatch(/[^\u00a0\u202f][?!;»]|[^\u00a0]:|«[^\u00a0]|'|\.\.\./);
    }
  });
});

describe("formats", () => {
  it("writes dates and numbers in the reader's language, whatever the time zone", () => {
    expect(formatDate("2020-07-01", "fr")).toBe("1 juillet 2020");
    expect(formatDate("2020-07-21", "en")).toBe("July 21, 2020");
    expect(formatNumber(31000, "fr")).toBe("31\u202f000");
    expect(formatNumber(31000, "en")).toBe("31,000");
  });
});
