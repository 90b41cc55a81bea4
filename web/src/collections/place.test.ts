import { describe, expect, it } from "vitest";
import { addressOf, collectionPlace } from "./place";
import { slugOf } from "./slug";

describe("collectionPlace", () => {
  it("finds again what an address was made of", () => {
    expect(collectionPlace(addressOf())).toEqual({ slug: null, documentId: null });
    expect(collectionPlace(addressOf("rh"))).toEqual({ slug: "rh", documentId: null });
    expect(collectionPlace(addressOf("é/à", "1"))).toEqual({ slug: "é/à", documentId: "1" });
  });

  it("leaves other addresses alone", () => {
    expect(collectionPlace("#/admin/live")).toBeNull();
    expect(collectionPlace("")).toBeNull();
  });
});

describe("slugOf", () => {
  it("writes a title as a short name", () => {
    expect(slugOf("  Règlement intérieur (œuvres) 2026 ")).toBe("reglement-interieur-oeuvres-2026");
    expect(slugOf("?!")).toBe("");
  });
});
