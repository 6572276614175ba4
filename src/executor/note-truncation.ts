/**
 * @module executor/note-truncation
 * Says what of a job's texts a tokenizer had no room for.
 */

import type { Report } from "./run-stage.ts";

interface Texts {
  readonly prompts: readonly { readonly truncatedText: string }[];
  readonly negativePrompts: readonly { readonly truncatedText: string }[];
}

/** The texts of a batch are all the same: it is said once. */
export function noteTruncation(whose: string, { prompts, negativePrompts }: Texts, job: number, report: Report): void {
  for (const [what, left] of [
    ["prompt", prompts[0]?.truncatedText],
    ["negative prompt", negativePrompts[0]?.truncatedText],
  ] as const) {
    if (!left) continue;
    const text = `The ${what} is longer than ${whose} 77 tokens; this part was left out: "${left}"`;
    report({ type: "note", job, text });
  }
}
