/**
 * @module run/options-from-request
 * A request -> the options that make it: what run/job-options does, backwards. Some of them may then be replaced.
 */

import type { Request } from "../plan/request.ts";
import { type DiffusionDescription, diffusionTable } from "../plan/stages.ts";
import { keyOf, stageSizeNames, sharedKeys, stageKeys } from "./job-options.ts";
import { optionsOfStageMasks, stageMaskNames } from "./mask-options.ts";
import { optionsOfLoras } from "./lora-options.ts";
import { optionsOfUpscaler, untilWith } from "./upscaler-options.ts";

export type FlatOptions = Readonly<Record<string, unknown>>;

/** @returns options that are absent in the request are not in it. */
export function optionsFromRequest(request: Request): FlatOptions {
  const { until: _, upscalerModel: __, ...given } = request; // which two options say together
  const { command, stages, stageModels, start, aspectRatio, size, upscale, lowResolution, prompt, ...others } = given;
  const { loras, variation, ...rest } = others;
  const ofStages = diffusionTable.flatMap((stage) => [
    [keyOf(stage, "model"), stageModels[stage.name]] as const,
    ...stageKeys.map((key) => [keyOf(stage, key), stages[stage.name]?.[key]] as const),
  ]);
  return withoutAbsent({
    ...rest,
    prompt: prompt === "" ? undefined : prompt, // of an upscale, or beside embeddings or a style
    ...Object.fromEntries(ofStages),
    ...optionsOfLoras(loras),
    variationSeed: variation?.seed,
    variationStrength: variation?.strength,
    aspectRatio: aspectRatio && `${aspectRatio.width}:${aspectRatio.height}`,
    size: size && `${size.width}x${size.height}`,
    ...optionsOfUpscaler(request),
    ...(upscale ? { ...upscale, ...stagesOf(request), image: lowResolution } : { until: untilOf(request) }),
    ...(start ? startOptions(start, upscale ? "original" : "image") : {}),
    ...(command === "inpaint" && start ? { pasteBack: start.pasteBack } : {}),
  });
}

/** What follows from an ESRGAN is not said twice: it can be left out then. */
const untilOf = ({ until, upscalerModel }: Request): Request["until"] | undefined =>
  upscalerModel !== undefined && until === untilWith(optionsOfUpscaler({ until, upscalerModel }), undefined)
    ? undefined
    : until;

/** @returns no stages where ESRGAN alone enlarges. */
const stagesOf = ({ upscale }: Request): FlatOptions => (upscale?.stages.length === 0 ? { stages: undefined } : {});

function startOptions(
  { image, mask, stageMasks = {} }: NonNullable<Request["start"]>,
  option: "image" | "original",
): FlatOptions {
  if (!mask) return { [option]: image };
  const { file, fromAlpha, shapes, invert } = mask;
  const boxes = (kind: string) => shapes.flatMap(({ kind: shapeKind, ...box }) => (shapeKind === kind ? [box] : []));
  const [maskRect, maskEllipse] = [boxes("rectangle"), boxes("ellipse")];
  return {
    [option]: image,
    mask: file === image && fromAlpha ? undefined : file, // the hole in whatever image it is
    maskRect: maskRect.length > 0 ? maskRect : undefined,
    maskEllipse: maskEllipse.length > 0 ? maskEllipse : undefined,
    maskFromAlpha: fromAlpha,
    invertMask: invert,
    ...optionsOfStageMasks({ stageMasks }),
  };
}

/** @param given take their place, and that of what cannot stand beside them. */
export function replaceOptions(options: FlatOptions, given: FlatOptions): FlatOptions {
  const names = Object.keys(withoutAbsent(given));
  const dropped = new Set(names.flatMap(displacedBy));
  const side = given["until"];
  const undrawn = typeof side === "number" ? diffusionTable.filter((stage) => stage.side > side) : [];
  if (given["upscaler"] === "x4") dropped.add("upscalerModel");
  for (const name of undrawn.flatMap(optionsOfStage)) dropped.add(name);
  const kept = Object.entries(options).filter(([name]) => !dropped.has(name));
  return { ...Object.fromEntries(kept), ...withoutAbsent(given) };
}

const optionsOfStage = (stage: DiffusionDescription): string[] => [
  keyOf(stage, "model"),
  ...stageKeys.map((key) => keyOf(stage, key)),
];

/** Ways of saying the same: one stands for all of them. */
const alternatives: readonly (readonly string[])[] = diffusionTable.map((stage) =>
  (["steps", "timesteps", "respacing"] as const).map((key) => keyOf(stage, key)),
);

const shapes: readonly string[] = ["aspectRatio", "size"];

/** What is repainted: another mask takes the place of all, a stage's own of its own. */
const masks: readonly string[] = ["mask", "maskRect", "maskEllipse"];

/** A setting of all stages takes the place of each one's. */
function displacedBy(name: string): readonly string[] {
  const shared = sharedKeys.find((key) => key === name);
  if (shared) return diffusionTable.map((stage) => keyOf(stage, shared));
  if (shapes.includes(name)) return [...shapes, ...stageSizeNames];
  if (stageSizeNames.includes(name)) return shapes;
  if (masks.includes(name)) return [...masks, ...stageMaskNames];
  return alternatives.find((group) => group.includes(name)) ?? [];
}

const withoutAbsent = (options: FlatOptions): FlatOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
