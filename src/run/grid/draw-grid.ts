/**
 * @module run/grid/draw-grid
 * A batch's manifest -> one sheet of its images, labelled with what differs.
 */

import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UsageError } from "../../errors.ts";
import { type ManifestEntry, readManifest } from "../batch/manifest.ts";
import { checkOutputs } from "../outputs.ts";
import { placeSheet } from "../place-image.ts";
import { imageOptions } from "./image-options.ts";
import { type GridImage, gridTable } from "./table.ts";

/** More would be specks. */
const MAX_IMAGES = 10_000;

export interface GridSettings {
  readonly rows?: readonly string[] | undefined;
  readonly columns?: readonly string[] | undefined;
  readonly output: string;
  /** The longest side of an image on the sheet, in pixels. */
  readonly cell: number;
  readonly overwrite: boolean;
}

/**
 * @param manifest its path, or the folder that it lies in.
 * @returns how many images are on the sheet, in how many rows and columns.
 * @throws {UsageError} it is no manifest, or holds no drawn image, or too many; or as gridTable.
 * @throws {OutputError} the sheet cannot be written. @throws {InputImageError} an image is gone.
 */
export async function drawGrid(
  manifest: string,
  { output, cell, overwrite, ...axes }: GridSettings,
): Promise<{ readonly images: number; readonly rows: number; readonly columns: number }> {
  const path = await manifestFile(manifest);
  const images = await readImages(path);
  const { paths, rowLabels, columnLabels } = gridTable(images, axes);
  await checkOutputs([output], overwrite);
  const columns = Math.max(1, columnLabels.length);
  await placeSheet(paths, output, overwrite, { columns, cell, rowLabels, columnLabels, captions: [] });
  return { images: images.length, rows: paths.length / columns, columns };
}

async function manifestFile(given: string): Promise<string> {
  const found = await stat(given).catch(() => undefined);
  if (!found) throw new UsageError(`${given} is not there; give the manifest.jsonl of a batch, or its folder.`);
  return found.isDirectory() ? join(given, "manifest.jsonl") : given;
}

async function readImages(path: string): Promise<GridImage[]> {
  const drawn = new Map<number, ManifestEntry>();
  for await (const entry of readManifest(path)) {
    if (entry.status === "drawn" && entry.request) drawn.set(entry.index, entry);
    else drawn.delete(entry.index);
    if (drawn.size > MAX_IMAGES) {
      throw new UsageError(`${path} has more than ${MAX_IMAGES} drawings: too many for a sheet.`);
    }
  }
  if (drawn.size === 0) throw new UsageError(`${path} has no drawn image.`);
  const folder = dirname(path);
  return [...drawn.values()]
    .toSorted((a, b) => a.index - b.index)
    .flatMap(({ files, request }) => {
      const options = imageOptions(request!);
      return files.map((file, index) => ({ path: join(folder, file.path), options: options[index] ?? {} }));
    });
}
