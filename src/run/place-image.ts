/**
 * @module run/place-image
 * A job's PNG to its place, as the kind of file that the name there asks for; several as one sheet.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IfGenError, OutputError, whyNotWritten } from "../errors.ts";
import { convertImages } from "../executor/convert-images.ts";
import { draftBeside, draftFolderIn } from "../files/draft.ts";
import { type ImageFormat, extensionOf, formatOfName } from "../image/formats.ts";
import { temporaryFolder } from "../machine/folders.ts";
import type { ConversionJob } from "../executor/conversion.ts";
import { placeOutput } from "./outputs.ts";

type SheetLayout = NonNullable<ConversionJob["layout"]>;

/** @throws {OutputError} as placeOutput. */
export async function placeImage(png: string, path: string, overwrite: boolean): Promise<void> {
  const format = formatOfName(path) ?? "png";
  if (format === "png") await placeOutput(png, path, overwrite);
  else await placeConverted([png], path, overwrite);
}

/** @returns a PNG's bytes as those of another format. @throws {OutputError} the temporary folder cannot be written to. */
export async function convertBytes(png: Uint8Array, format: ImageFormat): Promise<Uint8Array> {
  if (format === "png") return png;
  const folder = draftFolderIn(temporaryFolder());
  const [source, target] = [join(folder, "image.png"), join(folder, `image${extensionOf(format)}`)];
  try {
    await mkdir(folder, { mode: 0o700 });
    await writeFile(source, png);
    await convertImages({ sources: [source], target, format });
    return await readFile(target);
  } catch (cause) {
    if (cause instanceof IfGenError) throw cause;
    throw new OutputError(`the image cannot be converted in ${folder}: ${whyNotWritten(cause)}.`, { cause });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param pngs two or more; with a layout, "" is an empty cell. @param layout absent: without labels, in rows.
 * @throws {OutputError} as placeOutput. @throws {InputImageError} an image cannot be read.
 */
export const placeSheet = (
  pngs: readonly string[],
  path: string,
  overwrite: boolean,
  layout?: SheetLayout,
): Promise<void> => placeConverted(pngs, path, overwrite, layout);

async function placeConverted(
  sources: readonly string[],
  path: string,
  overwrite: boolean,
  layout?: SheetLayout,
): Promise<void> {
  const draft = draftBeside(path);
  try {
    const format = formatOfName(path) ?? "png";
    await convertImages({ sources: [...sources], ...(layout ? { layout } : {}), target: draft, format });
    await placeOutput(draft, path, overwrite);
  } finally {
    await rm(draft, { force: true });
  }
}
