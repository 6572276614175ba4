/** Writes docs/commands: `npm run docs:commands`. The program is the built one, which finds its package.json. */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { commandPages } from "./command-pages.ts";

const built = pathToFileURL(join("dist", "cli", "program.js")).href;
const { createProgram } = (await import(built)) as typeof import("../../src/cli/program.ts");
const folder = join("docs", "commands");
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
for (const [name, page] of commandPages(await createProgram("all"))) await writeFile(join(folder, name), page);
