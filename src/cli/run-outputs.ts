/**
 * @module cli/run-outputs
 * The files that a command will write, by its options.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";
import { extensionOf } from "../image/formats.ts";
import { imageCount } from "../plan/prompts.ts";
import type { Request } from "../plan/request.ts";
import { checkDistinct, checkNewFolder, checkWritable, imagePaths, seedPath } from "../run/outputs.ts";
import { checkSavesEmbeds } from "../run/save-embeds.ts";
import { savedStageFiles } from "../run/stage-images.ts";
import type { CommonOptions } from "./options.ts";

/** `--output -`: the image's bytes on standard output. */
const STDOUT = "-";

export interface RunOutputs {
  /** Of each request; absent: standard output. */
  readonly paths: readonly (readonly string[])[] | undefined;
  readonly sheet: string | undefined;
  /** Every file that the run will write. */
  readonly written: readonly string[];
}

/** @throws {UsageError} several images, or an image and JSON, for standard output, or several jobs' stages for one folder. */
export function outputsOf(requests: readonly Request[], options: CommonOptions): RunOutputs {
  const { saveStages, saveEmbeds, report, format, grid } = options;
  const [first, ...others] = requests;
  const numImages = first ? imageCount(first) : 1;
  const hasMany = others.length > 0;
  const toStdout = options.output === STDOUT;
  if (toStdout && (hasMany || numImages > 1)) {
    throw new UsageError("--output - takes one image; name a file, or drop --num-images and give one seed.");
  }
  if (toStdout && options.json && !options.dryRun) {
    throw new UsageError(
      "--json and --output - would both write to standard output; name a file with --output, or leave --json out.",
    );
  }
  if (saveStages !== undefined && hasMany) {
    throw new UsageError("--save-stages keeps the stages of one drawing; give one seed.");
  }
  const paths = toStdout
    ? undefined
    : requests.map((request) => imagePaths(outputOf(options, request, hasMany), numImages, format));
  const sheet = grid === undefined ? undefined : sheetPath(grid, requests.length * numImages, paths?.flat());
  const saved = saveStages === undefined || !first ? [] : savedStageFiles(first);
  const stages = saved.map((name) => join(saveStages ?? "", name));
  if (saveEmbeds !== undefined) requests.forEach(checkSavesEmbeds);
  const more = [sheet, report, saveEmbeds].filter((path) => path !== undefined);
  return { paths, sheet, written: [...(paths ?? []).flat(), ...stages, ...more] };
}

/** Of several seeds the names have the seed in them, of variations theirs too: car-7.png, car-7-v8.png. */
function outputOf(
  { output, outputFolder = "", format }: CommonOptions,
  { seed, variation }: Request,
  hasMany: boolean,
): string {
  const name = variation ? `${seed}-v${variation.seed}` : String(seed);
  if (output === undefined) return join(outputFolder, `if-gen-${name}${extensionOf(format ?? "png")}`);
  return hasMany ? seedPath(output, name) : output;
}

/** What is named of places is looked at as a run does, but no folder is made. @throws as run/outputs' checkOutputs. */
export async function checkPlaces(
  requests: readonly Request[],
  options: CommonOptions,
  isResumed: boolean,
): Promise<void> {
  const { saveStages, saveLatents, runDir, output, overwrite = false } = options;
  const { paths = [], written } = outputsOf(requests, options);
  await checkDistinct(written);
  for (const folder of [saveStages, saveLatents, runDir]) if (folder !== undefined) await checkNewFolder(folder);
  const isNew = (path: string): boolean =>
    saveStages !== undefined && dirname(path) === join(saveStages) && !existsSync(saveStages);
  const named = written.filter((path) => !isNew(path) && (output !== undefined || !paths.flat().includes(path)));
  await checkWritable(named, overwrite || isResumed);
}

/** @throws {UsageError} there are no files to make a sheet of. */
function sheetPath(grid: string, images: number, paths: readonly string[] | undefined): string {
  if (images > 1 && paths) return imagePaths(grid, 1)[0] ?? grid;
  throw new UsageError(
    "--grid makes a sheet of several images in files; give --num-images or several seeds too, and no --output -.",
  );
}
