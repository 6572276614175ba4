/**
 * @module run/queue/earlier-result
 * Is what lies under a job's names its result already? A worker may have ended between placing it and saying so.
 */

import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { IfGenError } from "../../errors.ts";
import { isTaken } from "../../files/place-file.ts";
import type { Request } from "../../plan/request.ts";
import type { BatchJob } from "../batch/batch-jobs.ts";
import { readImageMade } from "../metadata/image-made.ts";

/** none: nothing is there; complete: all of it, drawn by an attempt before; part: some of it; foreign: something else. */
type Found = "none" | "complete" | "part" | "foreign";

export async function lookForResult({ files, request }: BatchJob, folder: string): Promise<Found> {
  let found = 0;
  for (const path of files.map((file) => join(folder, file))) {
    if (!(await isTaken(path))) continue;
    if (!(await isDrawnFrom(path, request))) return "foreign";
    found++;
  }
  if (found === 0) return "none";
  return found === files.length ? "complete" : "part";
}

async function isDrawnFrom(path: string, request: Request): Promise<boolean> {
  try {
    const { settings } = await readImageMade(path);
    return settings !== undefined && isDeepStrictEqual(drawnPart(settings.request), drawnPart(request));
  } catch (error) {
    if (error instanceof IfGenError) return false;
    throw error;
  }
}

/** Where it is drawn is each worker's matter. */
const placeKeys: readonly string[] = ["executionProvider", "deviceId", "threads"] satisfies (keyof Request)[];

/** As it is written: in any order, without what is not given. */
const drawnPart = (request: Request): unknown =>
  JSON.parse(JSON.stringify({ ...request, ...Object.fromEntries(placeKeys.map((key) => [key, undefined])) }));
