/** What the site of docs/ needs of its pages; `npm run docs:build` builds it, which takes a minute and an installation of its own. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./markdown.ts";

const pagesIn = (folder: string): string[] =>
  readdirSync(join(root, "docs", folder), { encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name.slice(0, -".md".length)));

test("every page has its place in the sidebar", () => {
  const config = readFileSync(join(root, "docs", ".vitepress", "config.mts"), "utf8");
  const placed = new Set([...config.matchAll(/^ {2}\["[^"]+", "([\w/-]+)"\],$/gm)].map(([, page = ""]) => page));
  const pages = ["", "notebook"].flatMap(pagesIn).filter((page) => page !== "index");
  expect(pages.length).toBeGreaterThan(25);
  expect(pages.filter((page) => !placed.has(page))).toEqual([]);
  expect([...placed].filter((page) => !pages.includes(page))).toEqual([]);
});

test("the front page leads to pages and images that exist", () => {
  const text = readFileSync(join(root, "docs", "index.md"), "utf8");
  const pages = [...text.matchAll(/^ +link: \/([\w/-]+)/gm)].map(([, page = ""]) => page);
  expect(pages.length).toBeGreaterThan(5);
  expect(pages.filter((page) => !pagesIn("").includes(page))).toEqual([]);
  const [, image = ""] = /^ +src: \/(\S+)$/m.exec(text) ?? [];
  expect(readdirSync(join(root, "docs", "images"))).toContain(image);
});

/** The site's style is for blocks between fences: long lines of others run out of the page. */
test("commands stand between fences", () => {
  const pages = ["", "notebook", "commands"].flatMap(pagesIn);
  const indented = pages.flatMap((page) => {
    const text = readFileSync(join(root, "docs", `${page}.md`), "utf8").replaceAll(/^```[^]*?^```$/gm, "");
    return [...text.matchAll(/\n\n {4}\S.*/g)].map(([line]) => `${page}: ${line.trim()}`);
  });
  expect(indented).toEqual([]);
});
