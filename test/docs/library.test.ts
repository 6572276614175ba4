/** The examples of docs/library.md, each run as it stands in a project of its own that has the package installed. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Fence, parseFences, readFences, root } from "./markdown.ts";

interface Example extends Fence {
  /** What the page says that it prints; undefined: the page does not say. */
  readonly prints: string | undefined;
}

const fences = readFences("docs/library.md");
const examples: readonly Example[] = fences.flatMap((fence, index) => {
  if (fence.language !== "js") return [];
  const next = fences[index + 1];
  return [{ ...fence, prints: next?.language === "text" ? next.text : undefined }];
});

/** Seconds alone, but each starts processes that load a library, and other tests run beside. */
const TIMEOUT_MS = 180_000;

const project = mkdtempSync(join(tmpdir(), "if-gen-library-"));
const temporary = join(project, "tmp");
afterAll(() => rmSync(project, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(temporary);
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "if-gen"), "dir");
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
});

/** @throws {Error} the program failed; the message has its standard error. */
async function runExample({ heading, text }: Example): Promise<{ stdout: string; stderr: string }> {
  const name = `${heading.toLowerCase().replace(/\W+/g, "-")}.js`;
  writeFileSync(join(project, name), text);
  const outer = Object.entries(process.env).filter(([key]) => !/^(VITEST|HF_|HUGGING|IF_GEN)/.test(key));
  const env = { ...Object.fromEntries(outer), HOME: project, TMPDIR: temporary, HF_HUB_OFFLINE: "1" };
  return promisify(execFile)(process.execPath, [name], { cwd: project, env });
}

describe("docs/library.md", () => {
  test("shows the whole library", () => {
    const imported = examples.flatMap(({ text }) => /import \{ ([^}]+) \} from "if-gen"/.exec(text)?.[1]?.split(", "));
    const whole = ["IfGenError", "img2img", "inpaint", "models", "plan", "style", "txt2img"];
    expect([...new Set(imported)].sort()).toEqual(whole);
  });

  test.each(examples.map((example) => [example.heading, example] as const))(
    "%s",
    { timeout: TIMEOUT_MS },
    async (_, example) => {
      const { stdout, stderr } = await runExample(example);
      expect(stderr).toBe("");
      if (example.prints !== undefined) expect(stdout).toBe(example.prints);
    },
  );

  test("all of them leave what they write, and nothing in the temporary folder", () => {
    const written = examples.flatMap(({ text }) => [...text.matchAll(/writeFile\("([^"]+)"/g)].map(([, name]) => name));
    expect(written.length).toBeGreaterThan(0);
    expect(readdirSync(project)).toEqual(expect.arrayContaining(written));
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe("the blocks of a page", () => {
  test("are told by their language, heading and line", () => {
    const page = "# Title\n\n## Part\n\n```js\nlet a;\n\nlet b;\n```\n\n```text\n# no heading\n```\n";
    expect(parseFences(page)).toEqual([
      { language: "js", text: "let a;\n\nlet b;\n", heading: "Part", line: 6 },
      { language: "text", text: "# no heading\n", heading: "Part", line: 12 },
    ]);
  });

  test("an open one is a mistake", () => {
    expect(() => parseFences("```js\nlet a;\n")).toThrow("line 2");
  });
});
