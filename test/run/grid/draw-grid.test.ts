/** A manifest -> a sheet, with the built program: the sheet is drawn by a process of its own. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodePlainPng } from "../../../src/image/plain-png.ts";
import { readImage } from "../../../src/image/read-image.ts";
import type { Request } from "../../../src/plan/request.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";
import { plainRequest } from "../../plan/plain-request.ts";
import { importBuilt } from "../tiny-cascade.ts";

const { drawGrid } = await importBuilt<typeof import("../../../src/run/grid/draw-grid.ts")>("run/grid/draw-grid");

const entry = (index: number, file: string, request: Request, status = "drawn"): string =>
  JSON.stringify({
    index,
    line: index,
    status,
    key: "0",
    files: status === "drawn" ? [{ path: `images/${file}`, sha256: "0" }] : [],
    request,
    at: "now",
  });

async function makeBatch(lines: (folder: string) => string[]): Promise<string> {
  const folder = temporaryFolder();
  await mkdir(join(folder, "images"));
  const png = encodePlainPng({ data: new Uint8Array(3 * 64).fill(9), width: 8, height: 8 });
  for (const name of ["a.png", "b.png", "c.png"]) await writeFile(join(folder, "images", name), png);
  await writeFile(
    join(folder, "manifest.jsonl"),
    lines(folder)
      .map((line) => `${line}\n`)
      .join(""),
  );
  return folder;
}

const seeded = (seed: number): Request => ({ ...plainRequest, seed });

test("the drawn images of a batch, whatever order they ended in; what failed leaves a hole", async () => {
  const folder = await makeBatch(() => [
    entry(2, "b.png", seeded(2)),
    entry(1, "a.png", seeded(1)),
    entry(4, "c.png", { ...seeded(1), prompt: "a dog" }),
    entry(3, "", seeded(3), "failed"),
  ]);
  const output = join(folder, "sheet.png");
  const settings = { output, cell: 64, overwrite: false };
  expect(await drawGrid(folder, settings)).toEqual({ images: 3, rows: 2, columns: 2 });
  const { width, height } = await readImage(output);
  expect([width, height]).toEqual([180 + 2 * 8 + 3 * 8, 54 + 2 * 8 + 3 * 8]);
  await expect(drawGrid(join(folder, "manifest.jsonl"), settings)).rejects.toThrow("exists");
});

test("a batch without images, and what is no batch", async () => {
  const folder = await makeBatch(() => [entry(1, "", seeded(1), "failed")]);
  const settings = { output: join(folder, "sheet.png"), cell: 64, overwrite: false };
  await expect(drawGrid(folder, settings)).rejects.toThrow("has no drawn image");
  await expect(drawGrid("/nowhere", settings)).rejects.toThrow("/nowhere is not there");
});
