/**
 * @module cli/run-outputs
 * The files that a command will write, by its options.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";
import { extensionOf } from "../image/formats.ts";
import type { Request } from "../plan/request.ts";
import { checkNewFolder, checkOutputs, imagePaths } from "../run/outputs.ts";
import { savedStageFiles } from "../run/stage-images.ts";
import type { CommonOptions } from "./options.ts";

/** `--output -`: the image's bytes on standard output. */
const STDOUT = "-";

export interface RunOutputs {
  /** Absent: standard output. */
  readonly paths: readonly string[] | undefined;
  readonly sheet: string | undefined;
  /** Every file that the run will write. */
  readonly written: readonly string[];
}

/** @throws {UsageError} several images for standard output. */
export function outputsOf(request: Request, options: CommonOptions): RunOutputs {
  const { saveStages, report, format, grid } = options;
  const toStdout = options.output === STDOUT;
  if (toStdout && request.numImages > 1) {
    throw new UsageError("--output - takes one image; name a file or drop --num-images.");
  }
  const output = options.output ?? `if-gen-${request.seed}${extensionOf(format ?? "png")}`;
  const paths = toStdout ? undefined : imagePaths(output, request.numImages, format);
  const sheet = grid === undefined ? undefined : sheetPath(grid, request.numImages, paths);
  const saved = saveStages === undefined ? [] : savedStageFiles(request.until, request.numImages);
  const stages = saved.map((name) => join(saveStages ?? "", name));
  const others = [sheet, report].filter((path) => path !== undefined);
  return { paths, sheet, written: [...(paths ?? []), ...stages, ...others] };
}

/** What is named of places is looked at as a run does, but no folder is made. @throws as {@link checkOutputs}. */
export async function checkPlaces(request: Request, options: CommonOptions, isResumed: boolean): Promise<void> {
  const { saveStages, runDir, output, overwrite = false } = options;
  const { paths = [], written } = outputsOf(request, options);
  for (const folder of [saveStages, runDir]) if (folder !== undefined) await checkNewFolder(folder);
  const isNew = (path: string): boolean =>
    saveStages !== undefined && dirname(path) === join(saveStages) && !existsSync(saveStages);
  const named = written.filter((path) => !isNew(path) && (output !== undefined || !paths.includes(path)));
  await checkOutputs(named, overwrite || isResumed);
}

/** @throws {UsageError} there are no files to make a sheet of. */
function sheetPath(grid: string, numImages: number, paths: readonly string[] | undefined): string {
  if (numImages > 1 && paths) return imagePaths(grid, 1)[0] ?? grid;
  throw new UsageError("--grid makes a sheet of several images in files; give --num-images too, and no --output -.");
}
