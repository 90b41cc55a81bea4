import { describe, expect, it } from "vitest";
import { sourceOf } from "./sourceFields";

describe("sourceOf", () => {
  it("names what was typed as the server does, and keeps the secret apart", () => {
    const typed = { web_address: "https://dav.test/f", user: "u", source_secret: "s", every_hours: 24 };
    expect(sourceOf("webdav", typed)).toEqual({
      spec: { kind: "webdav", url: "https://dav.test/f", user: "u" },
      secret: "s",
      every_seconds: 86_400,
    });
  });

  it("runs by hand alone where no interval is given", () => {
    expect(sourceOf("folder", { path: "/srv/docs", every_hours: null })).toEqual({
      spec: { kind: "folder", path: "/srv/docs" },
      every_seconds: null,
    });
  });
});
