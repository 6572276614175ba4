/**
 * @module run/save-latents
 * Where `--save-latents` keeps the samples of steps: `stage-1-step-007.safetensors`, with `job-2-` before it where there are
 * several jobs.
 */

import { readdir } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { OutputError } from "../errors.ts";
import { sweepDrafts } from "../files/draft.ts";
import { makeFolder } from "./outputs.ts";

/**
 * @param overwrite samples of earlier runs may be replaced: a run that goes on makes those of unfinished stages again.
 * @throws {OutputError} the folder cannot be made, or holds samples of an earlier run.
 */
export async function makeLatentsFolder(folder: string, overwrite: boolean): Promise<void> {
  await makeFolder(folder);
  await sweepDrafts(folder); // of a run that was killed while it wrote one
  const earlier = (await readdir(folder)).find((name) => /step-\d+\.safetensors$/.test(name));
  if (earlier === undefined || overwrite) return;
  throw new OutputError(`${folder} holds ${earlier} of an earlier run; give another folder, or --overwrite.`);
}

/** @returns how the paths begin that a plan's job keeps its samples at. @param placeOf its place among all requests. */
export function latentsIn(
  folder: string | undefined,
  placeOf: (job: number) => number,
  jobs: number,
): ((job: number) => string) | undefined {
  if (folder === undefined) return undefined;
  const prefixOf = (place: number): string => (jobs > 1 || place > 0 ? `job-${place + 1}-` : "");
  return (job) => resolve(folder) + sep + prefixOf(placeOf(job));
}
