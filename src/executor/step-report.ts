/**
 * @module executor/step-report
 * How far a job is, as its stage's process tells it: step by step or, of an image drawn in tiles, tile by tile of each step.
 */

import { type OnTile, tileCount } from "../pipelines/blended-tiles.ts";
import type { StepEvent } from "../pipelines/denoise.ts";
import type { DiffusionStage } from "../plan/plan.ts";
import { previewOf } from "./preview.ts";
import type { StageMessage, StageTask } from "./protocol.ts";

interface StepReport {
  readonly onStep: (event: StepEvent) => void;
  /** Absent: the image is drawn whole. */
  readonly onTile?: OnTile;
}

/**
 * Jobs that are drawn at once make each step together: the first one tells of it, the others where they have a preview.
 * @param jobs places of all that are drawn at once.
 */
export function stepReport(
  { previewEvery }: Pick<StageTask, "previewEvery">,
  stage: DiffusionStage,
  job: number,
  jobs: readonly number[],
  report: (message: StageMessage) => void,
): StepReport {
  const tiles = stage.tiles ? tileCount(stage, stage.tiles) : 1;
  const what = tiles > 1 ? `denoising in ${tiles} tiles` : "denoising";
  const together = jobs.length > 1 ? { jobs: [...jobs] } : {};
  let stepsDone = 0;
  const onStep = (event: StepEvent): void => {
    const { step, steps } = event;
    stepsDone = step;
    const isDue = previewEvery !== undefined && step % previewEvery === 0;
    const preview = isDue ? previewOf(event.predOriginalSample) : undefined;
    if (!preview && (job !== jobs[0] || tiles > 1)) return; // its last tile has told it
    report({
      type: "progress",
      job,
      ...together,
      step: step * tiles,
      steps: steps * tiles,
      what,
      ...(preview ? { preview } : {}),
    });
  };
  if (tiles === 1) return { onStep };
  const onTile: OnTile = (done) =>
    report({
      type: "progress",
      job,
      ...together,
      step: stepsDone * tiles + done,
      steps: stage.steps * tiles,
      what,
    });
  return { onStep, onTile };
}
