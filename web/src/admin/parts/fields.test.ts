import { describe, expect, it } from "vitest";
import { errorsOf, specOf, typedOf, type Field } from "./fields";

const FIELDS: Field[] = [
  { name: "name", kind: "text", required: true },
  { name: "context", kind: "number" },
  { name: "capacity", kind: "number", optional: true },
  { name: "public", kind: "flag" },
  { name: "aliases", kind: "list" },
  { name: "scopes", kind: "set", options: ["ask", "models"], required: true },
  { name: "serves", kind: "pairs" },
  { name: "sampling", kind: "json" },
  { name: "secret", kind: "secret" },
];
const SPEC = {
  name: "m",
  context: 8192,
  capacity: null,
  public: true,
  aliases: ["a", "b"],
  scopes: ["ask"],
  serves: { "our-name": "org/their=name" },
  sampling: { temperature: 0.2 },
};

describe("the fields of a form", () => {
  it("give back the object that they show", () => {
    expect(specOf(FIELDS, typedOf(FIELDS, SPEC))).toEqual(SPEC);
  });

  it("keep what the form doesn't show, and never an empty secret", () => {
    const spec = specOf(FIELDS, { ...typedOf(FIELDS, SPEC), secret: "" }, { ...SPEC, weak: true });
    expect(spec["weak"]).toBe(true);
    expect("secret" in spec).toBe(false);
  });

  it("leave an emptied number to the server, and make an emptied choice none", () => {
    const before = { ...SPEC, capacity: 4 };
    const spec = specOf(FIELDS, { ...typedOf(FIELDS, before), context: " ", capacity: "" }, before);
    expect("context" in spec).toBe(false);
    expect(spec["capacity"]).toBeNull();
  });

  it("read numbers as they are written in French", () => {
    expect(specOf(FIELDS, { ...typedOf(FIELDS, SPEC), context: "32 768,5" })["context"]).toBe(32768.5);
  });

  it("say what is wrong, by field", () => {
    const typed = typedOf(FIELDS, SPEC);
    expect(errorsOf(FIELDS, typed)).toEqual({});
    expect(
      errorsOf(FIELDS, {
        ...typed,
        name: "  ",
        context: "many",
        scopes: "",
        serves: "a = b\nno equals sign",
        sampling: "[1]",
      }),
    ).toEqual({
      name: "required",
      context: "number",
      scopes: "required",
      serves: "pairs",
      sampling: "json",
    });
  });
});
