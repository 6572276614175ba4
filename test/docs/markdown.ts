/** The fenced blocks of a page, with the heading that each stands under. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Fence {
  /** `js`, `sh`, `text`, ...; "" if none is given. */
  readonly language: string;
  readonly text: string;
  /** Of the section it stands in. */
  readonly heading: string;
  /** Of its first line in the page, from 1. */
  readonly line: number;
}

/** @param page its path from the root of the repository. */
export function readFences(page: string): Fence[] {
  return parseFences(readFileSync(new URL(`../../${page}`, import.meta.url), "utf8"));
}

export function parseFences(markdown: string): Fence[] {
  const fences: Fence[] = [];
  let heading = "";
  let open: { language: string; lines: string[]; line: number } | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const [, language] = /^```(\w*)$/.exec(line) ?? [];
    if (open && language === "") {
      fences.push({ language: open.language, text: `${open.lines.join("\n")}\n`, heading, line: open.line });
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (language !== undefined) open = { language, lines: [], line: index + 2 };
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  if (open) throw new Error(`line ${open.line}: the block has no end`);
  return fences;
}
