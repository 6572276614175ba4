/**
 * @module plan/notes
 * What a user should know of a plan that does not follow from the words of the command.
 */

import type { Model } from "./model.ts";
import { type DiffusionStage, isGuided } from "./plan.ts";
import type { Checkpoints } from "./read-checkpoints.ts";
import type { Request } from "./request.ts";
import { describeRequestedSize } from "./requested-size.ts";
import { type Size, describeSizeChange } from "./stage-size.ts";

/** DeepFloyd IF License Agreement, 2c. */
const LICENSE_SENTENCE =
  "DeepFloyd's licence (2c) says that you will not " +
  '"circumvent or remove any security or protection used by Stability AI in connection with the Software"';

/**
 * @param stages what each stage that draws will run with.
 * @returns sentences, in the order of the run.
 */
export function planNotes(
  request: Request,
  { name, isOwn }: Model,
  { diffusion, checker, hasWatermark, notes: lacks }: Checkpoints,
  stages: readonly DiffusionStage[],
  image: Size | undefined,
): string[] {
  const { watermark, safety } = request;
  const sizes = diffusion.map(({ stage, grid }) => image && grid && describeSizeChange(stage.label, image, grid));
  const notes = [
    ...sizes,
    describeRequestedSize(request, stages.at(-1)),
    ...lacks,
    !watermark && hasWatermark && !isOwn ? `--no-watermark: ${LICENSE_SENTENCE}.` : undefined,
    watermark && !hasWatermark ? `${name} has no watermark of its own; images are not marked.` : undefined,
    safety === "off" && checker !== undefined && !isOwn ? `--safety off: ${LICENSE_SENTENCE}.` : undefined,
    safety && safety !== "off" && checker === undefined
      ? `--safety ${safety}: ${name} has no safety checker; images are not looked at.`
      : undefined,
    safety === undefined && checker === undefined && !isOwn && lacks.length === 0
      ? `${name} has no safety checker; images are not looked at.`
      : undefined,
    ...withoutEffect(request, stages),
  ];
  return notes.filter((note) => note !== undefined);
}

/** What was asked for and changes nothing: said, lest somebody waits for it. */
function withoutEffect(
  { negativePrompt, positivePrompt, until, stages: requested, stageModels, eta }: Request,
  stages: readonly DiffusionStage[],
): string[] {
  const drawn = stages.map((stage) => stage.name);
  const notDrawn = [...Object.keys(requested), ...Object.keys(stageModels)].filter(
    (name) => !drawn.some((stage) => stage === name),
  );
  const isUnguided = stages.every(({ guidanceScale }) => !isGuided(guidanceScale));
  const mixes = stages.some(({ positiveMixer }) => positiveMixer !== undefined);
  const below = stages.filter(({ guidanceScale }) => guidanceScale < 1).map(({ name }) => name);
  return [
    ...[...new Set(notDrawn)].map((name) => `Settings of ${name} have no effect with --until ${until}.`),
    ...(negativePrompt !== "" && isUnguided
      ? ["The negative prompt has no effect: no stage is guided (guidance is 1 or less)."]
      : []),
    ...(positivePrompt !== undefined && !mixes
      ? ["The positive prompt has no effect: neither stage 1 nor stage 2 is guided (guidance is 1 or less)."]
      : []),
    ...below.map((name) => `A guidance below 1 is as 1 in ${name}: off.`),
    ...(eta > 0 && stages.every(({ scheduler }) => scheduler !== "DDIMScheduler")
      ? ["--eta has no effect: no stage has a DDIM scheduler."]
      : []),
  ];
}
