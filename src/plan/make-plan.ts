/**
 * @module plan/make-plan
 * Requests that share all but their jobs -> what is run, before it is known where and how it fits.
 */

import { programVersion } from "../machine/version.ts";
import { absoluteFilesOf } from "./absolute-files.ts";
import { guidanceOf } from "./guidance-settings.ts";
import { type Model, defaultsOf } from "./model.ts";
import { planNotes } from "./notes.ts";
import type { DiffusionStage, ImageStage, Job, PlannedRun, SafetyStage } from "./plan.ts";
import type { Checkpoints, DiffusionCheckpoint } from "./read-checkpoints.ts";
import { imageCount, negativePromptsOf, positivePromptOf, promptOf } from "./prompts.ts";
import { type Request, startKind } from "./request.ts";
import { requestedSizes } from "./requested-size.ts";
import { singlePassStage } from "./single-pass.ts";
import { type Size, checkAspectRatio, stageSize } from "./stage-size.ts";
import { lessNoiseOf, withStyleRespacing } from "./style-settings.ts";
import { upscaledSizes } from "./upscaled-size.ts";
import {
  checkHeunStart,
  countSteps,
  noiseLevelOf,
  schedulerOf,
  selectTimesteps,
  strengthOf,
} from "./stage-settings.ts";
import { type DiffusionName, stageOfKind } from "./stages.ts";

/**
 * @param requests one or more; all but prompts, seed and start image is the first one's.
 * @param image    size of the images to start from; given if the requests have one.
 * @param textParts into how many parts of 77 tokens the longest of their texts is cut.
 * @param lowResolution size of the images that an upscale enlarges.
 * @throws {UsageError} an unknown preset, or a noise level or strength the stage does not take.
 * @throws {InputImageError} an image much longer than it is wide.
 */
export function makePlan(
  requests: readonly [Request, ...Request[]],
  model: Model,
  checkpoints: Checkpoints,
  image?: Size,
  textParts = 1,
  lowResolution?: Size,
): PlannedRun {
  const [request] = requests;
  const { command, variant, eta, threads } = request;
  if (image) checkAspectRatio(image);
  const sizes = lowResolution
    ? upscaledSizes(checkpoints, request, lowResolution, image)
    : sizesFrom(checkpoints, request, image);
  const rows = negativeRows(checkpoints, request);
  const diffusion = checkpoints.diffusion.map((checkpoint, index) => ({
    ...diffusionStage(checkpoint, request, model),
    ...rows.get(checkpoint.stage.name),
    ...(textParts > 1 && checkpoint.stage.pixels ? { textParts } : {}),
    ...(sizes.get(checkpoint.stage.name) ?? { width: 0, height: 0 }),
    ...(lowResolution && index === 0 ? { enlargesInput: true as const } : {}),
  }));
  const stageNegativePrompts = diffusion.flatMap(({ negativePrompt, negativeRow }) =>
    negativePrompt === undefined || negativeRow === undefined ? [] : [negativePrompt],
  );
  const before = diffusion.at(-1) ?? lowResolution;
  const enlarging =
    checkpoints.upscaler && before ? singlePassStage(checkpoints.upscaler, before, request.upscale) : undefined;
  const safety = safetyStage(checkpoints, enlarging ?? diffusion.at(-1), request.safety ?? "black");
  return {
    version: programVersion(),
    command,
    model: model.name,
    jobs: requests.map(jobOf),
    numImages: imageCount(request),
    eta,
    ...(variant ? { variant } : {}),
    ...(threads ? { threads } : {}),
    watermark: request.watermark && checkpoints.hasWatermark,
    stages: [
      ...(checkpoints.text === undefined
        ? []
        : [
            {
              kind: "text" as const,
              name: stageOfKind("text").name,
              checkpoint: checkpoints.text,
              cleanCaption: request.cleanCaption,
              ...(request.promptEmbeds === undefined ? {} : { readsEmbeds: true as const }),
              ...(textParts > 1 ? { textParts } : {}),
              ...(stageNegativePrompts.length > 0 ? { stageNegativePrompts } : {}),
            },
          ]),
      ...diffusion,
      ...(enlarging ? [enlarging] : []),
      ...(safety ? [safety] : []),
    ],
    notes: planNotes(request, model, checkpoints, diffusion, image),
  };
}

/** Which row T5's embedding of a stage's own negative prompt is: after the jobs', in the stages' order. */
function negativeRows(
  { diffusion }: Checkpoints,
  { stages, ...request }: Request,
): ReadonlyMap<DiffusionName, { negativeRow: number }> {
  const withOwnPrompt = diffusion.filter(
    ({ stage }) => stage.pixels && stages[stage.name]?.negativePrompt !== undefined,
  );
  const first = negativePromptsOf(request).length;
  return new Map(withOwnPrompt.map(({ stage }, index) => [stage.name, { negativeRow: first + index }]));
}

function jobOf(request: Request): Job {
  const { negativePrompt, morePrompts, moreNegativePrompts, style, seed, variation } = request;
  const { start, lowResolution, promptEmbeds } = absoluteFilesOf(request);
  const positivePrompt = positivePromptOf(request);
  return {
    prompt: promptOf(request),
    negativePrompt,
    ...(morePrompts ? { morePrompts } : {}),
    ...(moreNegativePrompts ? { moreNegativePrompts } : {}),
    ...(positivePrompt === undefined ? {} : { positivePrompt }),
    ...(style === undefined ? {} : { style }),
    seed,
    ...(variation ? { variation } : {}),
    ...(start ? { start: { ...start, pasteBack: start.pasteBack && start.mask !== undefined } } : {}),
    ...(lowResolution === undefined ? {} : { lowResolution }),
    ...(promptEmbeds === undefined ? {} : { promptEmbeds }),
  };
}

type StageSettings = Omit<DiffusionStage, "width" | "height">;

function diffusionStage(
  { stage, folder, scheduler }: DiffusionCheckpoint,
  request: Request,
  model: Model,
): StageSettings {
  const requested = withStyleRespacing(stage, request);
  const defaults = defaultsOf(model, startKind(request), stage.repository);
  const timesteps = selectTimesteps(stage, requested, defaults);
  const strength = strengthOf(stage, request, requested, defaults);
  const scheduled = { ...schedulerOf(stage, scheduler, requested), ...timesteps, ...strength };
  checkHeunStart(stage, scheduler, scheduled, requested);
  const steps = countSteps(stage, scheduler, scheduled);
  return {
    kind: "diffusion",
    name: stage.name,
    checkpoint: folder,
    ...scheduled,
    steps,
    ...lessNoiseOf(stage, requested, { ...scheduled, steps }),
    ...(request.style !== undefined && stage.pixels ? { styled: true as const } : {}),
    ...guidanceOf(stage, request, defaults),
    ...noiseLevelOf(stage, requested, defaults),
  };
}

function safetyStage(
  { checker }: Checkpoints,
  imageStage: ImageStage | undefined,
  action: NonNullable<Request["safety"]>,
): SafetyStage | undefined {
  if (checker === undefined || action === "off" || !imageStage) return undefined;
  const { name } = stageOfKind("safety");
  return {
    kind: "safety",
    name,
    checkpoint: checker,
    action,
    of: { name: imageStage.name, checkpoint: imageStage.checkpoint },
  };
}

function sizesFrom(
  checkpoints: Checkpoints,
  request: Request,
  image: Size | undefined,
): ReadonlyMap<DiffusionName, Size> {
  const requested = requestedSizes(checkpoints, request);
  return image ? stageSizes(checkpoints, image) : requested;
}

/** Of a run that starts from an image. */
function stageSizes({ diffusion }: Checkpoints, image: Size): ReadonlyMap<DiffusionName, Size> {
  const sizes = new Map<DiffusionName, Size>();
  let before: Size = { width: 0, height: 0 };
  for (const { stage, grid } of diffusion) {
    const { scale, name } = stage;
    if (scale !== "sample-size") before = { width: scale * before.width, height: scale * before.height };
    else if (grid) before = stageSize(image, grid);
    sizes.set(name, before);
  }
  return sizes;
}
