/** docs/colab.md and docs/colab.ipynb: a valid notebook, commands that exist, and all of it run on the CPU with the demo. */

import { spawnSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { createProgram } from "../../src/cli/program.ts";
import { readFences, root } from "./markdown.ts";
import { createWorkplace } from "./shell.ts";

/** As nbformat 4.5 has it, for a notebook that was never run. */
const notebookSchema = z.strictObject({
  nbformat: z.literal(4),
  nbformat_minor: z.literal(5),
  metadata: z.looseObject({ kernelspec: z.object({ name: z.literal("python3"), display_name: z.string() }) }),
  cells: z.array(
    z.discriminatedUnion("cell_type", [
      z.strictObject({
        cell_type: z.literal("markdown"),
        id: z.string(),
        metadata: z.object({}),
        source: z.array(z.string()),
      }),
      z.strictObject({
        cell_type: z.literal("code"),
        id: z.string().regex(/^[\w-]{1,64}$/),
        metadata: z.object({}),
        execution_count: z.null(),
        outputs: z.tuple([]),
        source: z.array(z.string()),
      }),
    ]),
  ),
});

const notebook = notebookSchema.parse(JSON.parse(readFileSync(join(root, "docs", "colab.ipynb"), "utf8")));
const code = notebook.cells.filter(({ cell_type }) => cell_type === "code").map(({ source }) => source.join(""));
const pageCommands = readFences("docs/colab.md")
  .filter(({ language }) => language === "sh")
  .flatMap(({ text }) => text.trim().split("\n"));
const notebookCommands = code
  .flatMap((text) => text.split("\n"))
  .flatMap((line) => [...line.matchAll(/^ *!(if-gen .*)$/g)].map(([, command = ""]) => command));

test("the notebook's cells have names of their own", () => {
  expect(new Set(notebook.cells.map(({ id }) => id)).size).toBe(notebook.cells.length);
  expect(notebookCommands.length).toBeGreaterThan(8);
});

test.each([...pageCommands, ...notebookCommands])("%s: its command and options exist", async (line) => {
  const words = line.split(/\s+/).slice(1);
  let command = await createProgram("all");
  for (const word of words) {
    const below = command.commands.find((one) => one.name() === word);
    if (!below) break;
    command = below as typeof command;
  }
  const optionNames = new Set(command.options.flatMap(({ long, short }) => [long, short]));
  expect(words.filter((word) => /^--?[a-z]/.test(word) && !optionNames.has(word))).toEqual([]);
});

const jupyter = process.env["IF_GEN_TEST_JUPYTER"] ?? "jupyter";
const hasJupyter = spawnSync(jupyter, ["execute", "--version"]).status === 0;

describe.skipIf(!hasJupyter)("run by jupyter, on the CPU, with the demo", () => {
  const workplace = createWorkplace();
  afterAll(workplace.remove);

  test("every cell ends well, and its images are there", { timeout: 600_000 }, async () => {
    cpSync(join(root, "docs", "colab.ipynb"), join(workplace.folder, "colab.ipynb"));
    await workplace.run(`"${jupyter}" execute colab.ipynb`, {
      IF_GEN_NOTEBOOK_MODEL: "demo",
      IF_GEN_NOTEBOOK_OPTIONS: "--until 64 --stage-1-steps 4 --execution-provider cpu",
    });
    for (const name of ["corgi.png", "watercolour.png", "hat.png"]) {
      expect(readFileSync(join(workplace.folder, name)).toString("latin1", 1, 4), name).toBe("PNG");
    }
  });
});
