/**
 * @module cli/grid
 * `if-gen grid MANIFEST`.
 */

import { InvalidArgumentError } from "commander";
import type { ProgramCommand } from "./command.ts";
import { say } from "./terminal.ts";
import { integer, once } from "./values.ts";

interface GridOptions {
  rows?: string[];
  columns?: string[];
  output?: string;
  cell: number;
  overwrite?: boolean;
}

export function defineGrid(command: ProgramCommand): void {
  command
    .argument("<manifest>", "the manifest.jsonl of a batch, or the folder that it lies in")
    .option("--rows <list>", "options that differ from row to row: prompt (default: all that differ)", names)
    .option("--columns <list>", "options that differ from column to column: stage-1-guidance (default: seed)", names)
    .option("-o, --output <file>", "where to write; the end of the name says the format (default: grid.png)", once)
    .option("--cell <pixels>", "the longest side of an image on the sheet", integer(16, 1024), 256)
    .option("--overwrite", "replace an output file that exists")
    .addExamples(
      "if-gen grid out/manifest.jsonl --rows prompt --columns seed -o sheet.png",
      "if-gen grid out --rows scheduler --columns stage-1-steps --cell 128",
    )
    .action(async (manifest: string, { overwrite = false, output = "grid.png", ...options }: GridOptions) => {
      const { drawGrid } = await import("../run/grid/draw-grid.ts");
      const { images, rows, columns } = await drawGrid(manifest, { ...options, output, overwrite });
      say(`wrote ${output}: ${images} images in ${rows} rows and ${columns} columns\n`);
    });
}

function names(text: string): string[] {
  const list = text.split(",").map((word) => word.trim());
  if (list.every((word) => word !== "")) return list;
  throw new InvalidArgumentError("It must be names of options, with a comma between: prompt,scheduler.");
}
