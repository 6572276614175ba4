/**
 * @module run/outputs
 * Where images go: names for one and for many, checked before anything is computed.
 */

import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { OutputError, UsageError } from "../errors.ts";

/**
 * @returns one path per image: `car.png`, or `car-1.png`, `car-2.png`, ... when there are several.
 * @throws {UsageError} a name that does not end in .png.
 * @throws {OutputError} a file exists, or its folder is missing or not writable.
 */
export function outputPaths(output: string, count: number, overwrite: boolean): string[] {
  if (extname(output).toLowerCase() !== ".png") {
    throw new UsageError(`--output ${output}: images are written as PNG; give a name that ends in .png.`);
  }
  const paths = numbered(output, count);
  const folder = dirname(output);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new OutputError(`${folder}, the folder of ${output}, does not exist; create it first.`);
  }
  checkWritable(folder);
  for (const path of paths) {
    if (existsSync(path) && !overwrite) {
      throw new OutputError(`${path} exists; give another --output, or --overwrite to replace it.`);
    }
    if (existsSync(path) && statSync(path).isDirectory())
      throw new OutputError(`${path} is a folder; give a file's name.`);
  }
  return paths;
}

/** @returns `name.png`, or `name-1.png`, ... for several. */
export function numbered(path: string, count: number): string[] {
  if (count === 1) return [path];
  const stem = path.slice(0, path.length - extname(path).length);
  return Array.from({ length: count }, (_, index) => `${stem}-${index + 1}${extname(path)}`);
}

/** Creates the folder of --save-stages. @throws {OutputError} it cannot be created or written to. */
export function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new OutputError(`the folder ${folder} cannot be created: ${(cause as Error).message}.`, { cause });
  }
  checkWritable(folder);
}

/** Where a stage's images go among the saved stages. */
export function stageImagePaths(folder: string, stage: string, count: number): string[] {
  return numbered(join(folder, `${stage}.png`), count);
}

function checkWritable(folder: string): void {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new OutputError(`the folder ${folder} cannot be written to; choose another or change its permissions.`, {
      cause,
    });
  }
}
