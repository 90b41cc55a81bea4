import { describe, expect, it } from "vitest";
import { SseParser, type ServerSentEvent } from "./sse";

const bytes = (text: string) => new TextEncoder().encode(text);

function feed(parser: SseParser, stream: Uint8Array, size: number): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  for (let at = 0; at < stream.length; at += size) {
    events.push(...parser.push(stream.subarray(at, at + size)));
  }
  return events;
}

describe("SseParser", () => {
  const stream = bytes(
    ': keep-alive\n\nevent: token\ndata: {"text":"été 😀"}\n\nevent: done\ndata: {}\n\n',
  );
  const expected = [
    { event: "token", data: '{"text":"été 😀"}' },
    { event: "done", data: "{}" },
  ];

  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    "gives the same events for chunks of %i bytes",
    (size) => {
      expect(feed(new SseParser(), stream, size)).toEqual(expected);
    },
  );

  it.each([1, 2, 3, 7, 1000])("reads CRLF streams cut every %i bytes", (size) => {
    const crlf = bytes(new TextDecoder().decode(stream).replaceAll("\n", "\r\n"));
    expect(feed(new SseParser(), crlf, size)).toEqual(expected);
  });

  it("reads lone carriage returns", () => {
    expect(new SseParser().push(bytes("data: a\r\rdata: b\r\r"))).toEqual([
      { event: "message", data: "a" },
      { event: "message", data: "b" },
    ]);
  });

  it("joins several data lines and removes one leading space only", () => {
    expect(new SseParser().push(bytes("data:  a\ndata:b\ndata\n\n"))).toEqual([
      { event: "message", data: " a\nb\n" },
    ]);
  });

  it("ignores comments, unknown fields and events without data", () => {
    expect(new SseParser().push(bytes(":x\nid: 4\nretry: 9\nevent: token\n\n"))).toEqual([]);
  });

  it("forgets the event name after each event", () => {
    expect(new SseParser().push(bytes("event: token\n\ndata: z\n\n"))).toEqual([
      { event: "message", data: "z" },
    ]);
  });

  it("skips a byte order mark", () => {
    expect(new SseParser().push(bytes("\uFEFFdata: a\n\n"))).toEqual([
      { event: "message", data: "a" },
    ]);
  });

  it("never gives an event that the stream did not finish", () => {
    const parser = new SseParser();
    expect(parser.push(bytes("event: done\ndata: {}\n"))).toEqual([]);
    expect(parser.push(bytes("\n"))).toHaveLength(1);
  });
});
