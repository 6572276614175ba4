/**
 * @module cli/save-steps
 * `--save-steps`: what each step predicted the finished image to be, as PNG files.
 */

import { writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { OutputError, whyNotWritten } from "../errors.ts";
import { encodePlainPng } from "../image/plain-png.ts";
import type { RunEvent } from "../run/events.ts";
import { makeFolder } from "../run/outputs.ts";

export interface StepSaver {
  /** Writes a step's image, if it has one: `stage-1-step-007.png`, with `job-2-` before it where there are several jobs. */
  readonly add: (event: RunEvent) => void;
  /** @throws {OutputError} the first image that could not be written. */
  readonly check: () => void;
}

/**
 * @param overwrite images of earlier runs may be replaced.
 * @throws {OutputError} the folder cannot be made, or holds steps of an earlier run.
 */
export async function createStepSaver(folder: string, overwrite: boolean): Promise<StepSaver> {
  await makeFolder(folder);
  const earlier = (await readdir(folder)).find((name) => /step-\d+\.png$/.test(name));
  if (earlier !== undefined && !overwrite) {
    throw new OutputError(`${folder} holds ${earlier} of an earlier run; give another folder, or --overwrite.`);
  }
  let jobs = 1;
  let failure: OutputError | undefined;
  return {
    add(event) {
      if (event.type === "plan") jobs = event.plan.jobs.length;
      if (event.type !== "step" || !event.preview || failure) return; // an event's listener cannot end the run
      const { stage, job, step, preview } = event;
      const number = String(step).padStart(3, "0");
      const path = join(folder, `${jobs > 1 ? `job-${job + 1}-` : ""}${stage}-step-${number}.png`);
      try {
        writeFileSync(path, encodePlainPng({ ...preview, data: Buffer.from(preview.rgb, "base64") }));
      } catch (cause) {
        failure = new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
      }
    },
    check() {
      if (failure) throw failure;
    },
  };
}
