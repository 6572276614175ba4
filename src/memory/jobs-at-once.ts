/**
 * @module memory/jobs-at-once
 * How many jobs a stage's UNet takes at once: enough to keep the device busy, as long as they fit as they are. A small call
 * spends its time on starting kernels and on reading weights, which several jobs share.
 */

import { stageNetworks } from "../networks/stage-networks.ts";
import { CPU } from "../onnx/lower/provider-names.ts";
import { providers } from "../onnx/lower/providers.ts";
import { elementCount } from "../math/tensor.ts";
import type { PlacedRun, Plan, Stage } from "../plan/plan.ts";
import type { Limits, StageNeed } from "./budget.ts";
import { predictStage } from "./predict-stages.ts";

/** More were never measured, and a step would take long to end. */
const MOST_JOBS = 16;

/** Of a GPU's budget: predictions were up to 4 % too low, and a stage that takes more than its budget is ended. */
const SURE_SHARE = 0.95;

type JobsAtOnce = Plan["jobsAtOnce"];

/**
 * @param alone what each stage needs if it draws one job at a time.
 * @returns the sizes that are larger than 1, and what the stages need with them.
 */
export async function chooseJobsAtOnce(
  run: PlacedRun,
  alone: readonly StageNeed[],
  limits: Limits,
): Promise<{ jobsAtOnce: JobsAtOnce; needs: readonly StageNeed[] }> {
  const needs: StageNeed[] = [];
  let jobsAtOnce: JobsAtOnce = {};
  for (const [index, stage] of run.stages.entries()) {
    const need = alone[index]!;
    const larger = need.verdict === "fits" ? await largestThatFits(run, stage, need, limits) : undefined;
    if (larger) jobsAtOnce = { ...jobsAtOnce, [stage.name]: larger.size };
    needs.push(larger?.need ?? need);
  }
  return { jobsAtOnce, needs };
}

async function largestThatFits(
  run: PlacedRun,
  stage: Stage,
  alone: StageNeed,
  limits: Limits,
): Promise<{ size: number; need: StageNeed } | undefined> {
  if (stage.kind !== "diffusion" || alone.lowMemory.microBatch !== undefined || run.jobs.length === 1) return undefined;
  const { busyPixels, groupsAtOnce } = providers[run.gpuStages[stage.name] ?? CPU];
  const gaining = Math.floor(busyPixels / ((await samplePixels(run, stage)) * run.numImages));
  const jobs = run.jobs.length;
  // groups of at least two jobs are drawn side by side; of fewer jobs, one larger call gains more than a second group
  const inGroup = jobs < 2 * groupsAtOnce ? jobs : Math.ceil(jobs / groupsAtOnce);
  const most = Math.min(inGroup, gaining, MOST_JOBS);
  for (let size = most; size > 1; size = Math.floor(size / 2)) {
    const need = await predictStage({ ...run, jobsAtOnce: { [stage.name]: size } }, stage, limits);
    const isSure = (need.gpuBytes ?? 0) <= SURE_SHARE * limits.vramBytes;
    if (need.verdict === "fits" && need.lowMemory.microBatch === undefined && isSure) return { size, need };
  }
  return undefined;
}

/** Of what the UNet denoises: an image, or the latents of one. */
async function samplePixels(run: PlacedRun, stage: Stage): Promise<number> {
  const unet = (await stageNetworks(run, stage)).find(({ weights }) => weights === "unet");
  const sample = unet?.build(1).inputs.find(({ name }) => name === "sample");
  return elementCount(sample?.shape.slice(2) ?? []);
}
