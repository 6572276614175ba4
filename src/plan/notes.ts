/**
 * @module plan/notes
 * What a user should know of a plan that does not follow from the words of the command.
 */

import type { Model } from "./model.ts";
import { type DiffusionStage, isGuided } from "./plan.ts";
import type { Checkpoints } from "./read-checkpoints.ts";
import type { Request } from "./request.ts";
import { describeRequestedSize } from "./requested-size.ts";
import { diffusionNames } from "./stages.ts";
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
  { diffusion, text, checker, hasWatermark, notes: lacks }: Checkpoints,
  stages: readonly DiffusionStage[],
  image: Size | undefined,
): string[] {
  const { watermark, safety } = request;
  const sizes = diffusion.map(({ stage, grid }) => image && grid && describeSizeChange(stage.label, image, grid));
  const notes = [
    ...(request.upscale ? [] : [...sizes, describeRequestedSize(request, stages.at(-1))]), // whose sizes are said in the plan
    ...lacks,
    !watermark && hasWatermark && !isOwn ? `--no-watermark: ${LICENSE_SENTENCE}.` : undefined,
    watermark && !hasWatermark && text !== undefined
      ? `${name} has no watermark of its own; images are not marked.`
      : undefined,
    safety === "off" && checker !== undefined && !isOwn ? `--safety off: ${LICENSE_SENTENCE}.` : undefined,
    checker === undefined && lacks.length === 0 ? withoutChecker(request, name, isOwn) : undefined,
    ...withoutEffect(request, stages),
  ];
  return notes.filter((note) => note !== undefined);
}

/** The demo has none and needs none; of others, saved without it, it is said. */
function withoutChecker({ safety }: Request, name: string, isOwn: boolean): string | undefined {
  if (safety === "off" || (isOwn && safety === undefined)) return undefined;
  const option = safety === undefined ? "" : `--safety ${safety}: `;
  return `${option}${name} has no safety checker; images are not looked at.`;
}

/** What was asked for and changes nothing: said, lest somebody waits for it. */
function withoutEffect(
  {
    prompt,
    negativePrompt,
    positivePrompt,
    until,
    upscale,
    upscalerModel,
    stages: requested,
    stageModels,
    eta,
  }: Request,
  stages: readonly DiffusionStage[],
): string[] {
  const drawn = stages.map((stage) => stage.name);
  const notDrawn = [...Object.keys(requested), ...Object.keys(stageModels)].filter(
    (name) => !drawn.some((stage) => stage === name),
  );
  const isReplaced = upscalerModel !== undefined && !drawn.includes(diffusionNames.at(-1)!);
  const named = upscale ? `--stages ${upscale.stages.join(",")}` : `--until ${until}`;
  const limit = isReplaced ? "--upscaler esrgan" : named;
  const isUnguided = stages.every(({ guidanceScale }) => !isGuided(guidanceScale));
  const mixes = stages.some(({ positiveMixer }) => positiveMixer !== undefined);
  const below = stages.filter(({ guidanceScale }) => guidanceScale < 1).map(({ name }) => name);
  const hasTexts = prompt !== "" || negativePrompt !== "";
  const unused = [...new Set(notDrawn)].map((name) => `Settings of ${name} have no effect with ${limit}.`);
  if (drawn.length === 0) {
    return [...unused, ...(hasTexts ? ["The prompt has no effect: ESRGAN takes no text."] : [])];
  }
  return [
    ...unused,
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
