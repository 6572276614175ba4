/**
 * @module executor/finish-job
 * A stage is done with a job: its tensor is written, and its images where they are wanted.
 */

import type { Tensor } from "../math/tensor.ts";
import type { ImageStage } from "../plan/plan.ts";
import type { TaskJob } from "./protocol.ts";
import type { Report } from "./run-stage.ts";
import { writeTensorFile } from "./stage-files.ts";

/** @param state of the job's generator; absent: the stage has drawn no numbers. */
export async function finishJob(
  stage: ImageStage,
  job: TaskJob,
  state: Uint8Array | undefined,
  images: Tensor,
  report: Report,
): Promise<void> {
  const written = writeTensorFile(job.folder, stage.name, images);
  written.catch(() => undefined); // heard of when it is awaited
  if (job.images) {
    const { developImages, drawImages } = await import("./draw-images.ts");
    await drawImages(await developImages(images, stage, job), stage, job.images, written);
  }
  await written;
  const generatorState = state === undefined ? {} : { generatorState: Buffer.from(state).toString("base64") };
  report({ type: "finished", job: job.index, ...generatorState });
}
