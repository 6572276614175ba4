/**
 * @module executor/note-truncation
 * Says what of a job's texts a tokenizer had no room for.
 */

import type { Report } from "./run-stage.ts";

/** @param texts by what they are called; several may be the same, and are said once. */
export function noteTruncation(
  whose: string,
  texts: Readonly<Record<string, readonly { readonly truncatedText: string }[]>>,
  job: number,
  report: Report,
): void {
  for (const [what, encoded] of Object.entries(texts)) {
    for (const left of new Set(encoded.map(({ truncatedText }) => truncatedText))) {
      if (left === "") continue;
      const text = `The ${what} is longer than ${whose} 77 tokens; this part was left out: "${left}"`;
      report({ type: "note", job, text });
    }
  }
}
