/** scripts/ is found by reading: each folder explains itself, and no page names a program that has moved. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scripts = readdirSync(join(root, "scripts"), { withFileTypes: true });

test("scripts/ holds folders, each with a README", () => {
  expect(scripts.filter((entry) => !entry.isDirectory()).map(({ name }) => name)).toEqual(["tsconfig.json"]);
  const folders = scripts.filter((entry) => entry.isDirectory());
  expect(folders.filter(({ name }) => !existsSync(join(root, "scripts", name, "README.md")))).toEqual([]);
});

test("the programs that pages and comments name are there", () => {
  const pages = ["docs", "scripts"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => !path.includes("node_modules")) // of the site
      .map((path) => join(root, folder, path)),
  );
  const texts = [...pages, join(root, "README.md"), join(root, "CONTRIBUTING.md")].filter((path) =>
    /\.(md|ts)$/.test(path),
  );
  const named = texts.flatMap((path) =>
    [...readFileSync(path, "utf8").matchAll(/(?<!test\/)(?:build\/)?(scripts\/[\w/.-]+\.(?:js|ts|py|json))\b/g)].map(
      ([, program = ""]) => program.replace(/\.js$/, ".ts"),
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  expect([...new Set(named)].filter((program) => !existsSync(join(root, program)))).toEqual([]);
});
