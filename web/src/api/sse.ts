/** One server-sent event; `event` is "message" when the stream names none. */
export interface ServerSentEvent {
  event: string;
  data: string;
}

/**
 * Incremental parser of a text/event-stream.
 *
 * Feed it byte chunks cut anywhere (inside a line, a CRLF pair or a UTF-8 character); each call
 * returns the events completed by that chunk. An event not ended by a blank line is never given,
 * as the specification asks: a cut stream must not yield half an event.
 */
export class SseParser {
  private readonly decoder = new TextDecoder("utf-8");
  private pending = "";
  private skipLineFeed = false;
  private event = "";
  private data: string[] = [];

  push(chunk: Uint8Array): ServerSentEvent[] {
    let text = this.decoder.decode(chunk, { stream: true });
    if (text === "") return [];
    if (this.skipLineFeed && text.startsWith("\n")) text = text.slice(1);
    this.skipLineFeed = text.endsWith("\r");
    const lines = (this.pending + text).split(/\r\n|\r|\n/);
    this.pending = lines.pop() ?? "";
    const events: ServerSentEvent[] = [];
    for (const line of lines) {
      const complete = this.readLine(line);
      if (complete) events.push(complete);
    }
    return events;
  }

  private readLine(line: string): ServerSentEvent | null {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    return null;
  }

  private dispatch(): ServerSentEvent | null {
    const { event, data } = this;
    this.event = "";
    this.data = [];
    if (data.length === 0) return null;
    return { event: event || "message", data: data.join("\n") };
  }
}
