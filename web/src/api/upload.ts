import { headers } from "./client";
import { readProblem, RequestFailed } from "./failure";

/**
 * Sends files with a progress that `fetch` can't tell: `onSent(share)` from 0 to 1.
 *
 * Throws `RequestFailed`; an abort is an `AbortError`.
 */
export function upload<T>(
  path: string,
  language: string,
  body: FormData,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers(language))) {
      request.setRequestHeader(name, value);
    }
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onSent(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response as T);
      else {
        const problem = readProblem(request.response, request.status);
        reject(new RequestFailed({ kind: "problem", problem }));
      }
    };
    request.onerror = () => reject(new RequestFailed({ kind: "network" }));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}
