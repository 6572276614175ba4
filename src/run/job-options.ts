/**
 * @module run/job-options
 * What one drawing may be told, flat and named as the command line's options are, in camelCase: `--stage-1-steps 50` is
 * `{ stage1Steps: 50 }`. The command line, the library and files of jobs all make their requests here.
 */

import { randomInt } from "node:crypto";
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { type TextEncoderDevice, textEncoderDevices } from "../onnx/lower/provider-names.ts";
import { type CommandName, type LongPromptWay, MAX_SEED, longPromptWays } from "../plan/choices.ts";
import {
  type MaskRequest,
  type MaskShape,
  type Request,
  type StageRequest,
  type StartImage,
  requestSchema,
  stageRequest,
  variationRequest,
} from "../plan/request.ts";
import { type DiffusionDescription, type DiffusionName, type Side, diffusionTable, sides } from "../plan/stages.ts";
import type { SchedulerName } from "../schedulers/names.ts";
import { printable } from "../text.ts";
import { nearestName } from "../weights/nearest-name.ts";
import { type LoraOptions, loraShape, lorasOf } from "./lora-options.ts";
import { checkStyle, styleShape } from "./style-options.ts";
import { type StageMaskOptions, checkNoStageMask, stageMaskShape, stageMasksOf } from "./mask-options.ts";
import { type ListOptions, checkLists, listShape } from "./list-options.ts";
import { describeIssue, describeValue } from "./describe-issue.ts";
import { type UpscalerOptions, untilWith, upscalerModelOf, upscalerShape } from "./upscaler-options.ts";
import { noiseLevelFrom, untilOf, upscaleFrom, upscaleOptionNames, upscaleShape } from "./upscale-options.ts";

type Flat<Name extends string> = Name extends `${infer Before}-${infer After}` ? `${Before}${After}` : Name;
type StageKey = Flat<DiffusionName>;

/** Settings of all stages that take them, and with a stage's name before them of that one alone: `stage1Scheduler`. */
interface SharedSettings {
  /** @default each checkpoint's own */
  readonly scheduler: SchedulerName;
  /** The positive prompt's share in the guidance of stages 1 and 2, 0 to 1. @default 0.25 and 0.5 */
  readonly positiveMixer: number;
  /** How far guided predictions are brought back to the deviation of the text's, 0 to 1. @default 0 */
  readonly guidanceRescale: number;
  /** The share of the steps, from and up to, that are guided: `[0.2, 0.8]`. @default all */
  readonly guidanceInterval: readonly [number, number];
  /** Dynamic thresholding of stages 1 and 2: the quantile of |x_0|, above 0 to 1. @default the checkpoint's */
  readonly thresholdingP: number;
  /** And the largest value that the quantile may take, from 1 on. @default the checkpoint's */
  readonly thresholdingC: number;
}

type SharedOptions<Key extends string> = {
  readonly [Setting in keyof SharedSettings as `${Key}${Capitalize<Setting>}`]?: SharedSettings[Setting];
};

/** Settings of single stages: `stage1Steps`, `stage2NoiseLevel`, `stage3Model`, ... */
export type StageOptions = SharedOptions<StageKey> & { readonly [Key in StageKey as `${Key}Steps`]?: number } & {
  /** What this stage alone should not show, in place of `negativePrompt`. */
  readonly [Key in StageKey as `${Key}NegativePrompt`]?: string;
} & {
  /** As the original repository's `sample_timestep_respacing`: a preset, `"50"`, `"ddim50"`, `"10,10,3,2,2"`. */
  readonly [Key in StageKey as `${Key}Respacing`]?: string;
} & {
  /** A preset's name, or timesteps, descending. */
  readonly [Key in StageKey as `${Key}Timesteps`]?: string | number[];
} & {
  readonly [Key in StageKey as `${Key}Guidance`]?: number;
} & {
  /** Of txt2img's stages 1 and 2: the width and the height of what they draw, in pixels. */
  readonly [Key in StageKey as `${Key}Width` | `${Key}Height`]?: number;
} & { readonly [Key in StageKey as `${Key}NoiseLevel`]?: number } & {
  readonly [Key in StageKey as `${Key}Strength`]?: number;
} & { readonly [Key in StageKey as `${Key}SupportNoiseLessQsampleSteps`]?: number } & {
  /** `organisation/name[@revision]` of the Hub or a folder, for that stage alone. */
  readonly [Key in StageKey as `${Key}Model`]?: string;
};

export interface JobOptions extends StageOptions, LoraOptions, ListOptions, UpscalerOptions, Partial<SharedSettings> {
  /** With `promptEmbeds` it is the upscaler's alone, and may be left out; with `style` too. */
  readonly prompt?: string;
  /** What the image should not show. @default "" */
  readonly negativePrompt?: string;
  /** Mixed into the guidance of stages 1 and 2. @default none */
  readonly positivePrompt?: string;
  /** -2^63 to 2^64 - 1; torch, and so this program, takes the low 32 bits, and the result tells them. @default random */
  readonly seed?: number | bigint;
  /** Another seed, towards which stage 1's noise is turned. @default with `variationStrength`, the next one after `seed` */
  readonly variationSeed?: number | bigint;
  /** How far: 0 leaves the image as it is, with 1 stage 1 draws what it draws with the other seed. @default no variation */
  readonly variationStrength?: number;
  /** Images of each prompt, drawn in one batch. @default 1 */
  readonly numImages?: number;
  /** A name of models.json, or a folder with if-i, if-ii and x4-upscaler. @default "demo" */
  readonly model?: string;
  /** A folder or repository whose T5 encodes prompts. @default stage 1's or, where that has none, the model's */
  readonly textEncoderModel?: string;
  /** Which weight files. @default the smallest that each network has */
  readonly variant?: "fp32" | "fp16" | "8bit";
  /** Stop after the stage of so many pixels. @default 1024 */
  readonly until?: (typeof sides)[number];
  /** The shape of what txt2img draws, `"3:2"`: up to 3:1 and 1:3. @default "1:1" */
  readonly aspectRatio?: string;
  /** The same in pixels of the last stage, `"1536x1024"`: its short side is the network's own. */
  readonly size?: string;
  /** Of a prompt longer than T5's 77 tokens: leave the rest out, or embed it in parts. @default "truncate" */
  readonly longPrompt?: LongPromptWay;
  /** A safetensors file with `prompt_embeds` and `negative_prompt_embeds`, in place of T5. @default none */
  readonly promptEmbeds?: string;
  /** Clean the prompt as the reference does. @default true */
  readonly cleanCaption?: boolean;
  /** Sign images with the model's watermark. @default true */
  readonly watermark?: boolean;
  /** What becomes of images that the model's safety checker flags. @default "black", if the model has one */
  readonly safety?: "black" | "blur" | "off";
  /** Noise that a DDIM scheduler adds, 0 to 1. @default 0 */
  readonly eta?: number;
  /** CPU threads. @default the physical cores */
  readonly threads?: number;
  /** @default "auto": the first of cuda, webgpu and cpu that works here */
  readonly executionProvider?: Request["executionProvider"];
  /** Which NVIDIA GPU cuda takes. @default 0 */
  readonly deviceId?: number;
  readonly textEncoderBits?: 8 | 4;
  readonly textEncoderActivations?: "float32" | "int8";
  /** Where T5 runs; gpu: on cuda, where the stages' provider is cuda. @default "cpu" */
  readonly textEncoderDevice?: TextEncoderDevice;
  readonly unetBits?: 8;
}

/** What img2img and inpaint start from. */
export interface StartOptions {
  /** Path of an image. */
  readonly image: string;
  /** How far stages that start from it leave the image: above 0, to 1. */
  readonly strength?: number;
  /** By how many timesteps less noise the image gets than the first one calls for, as in the original repository. @default 0 */
  readonly supportNoiseLessQsampleSteps?: number;
}

/** What inpaint repaints; one of `mask`, `maskRect` and `maskEllipse` has to be given. */
export interface MaskOptions extends StageMaskOptions {
  /** Path of an image whose white is repainted. */
  readonly mask?: string;
  /** Rectangles in pixels of the image. */
  readonly maskRect?: readonly Omit<MaskShape, "kind">[];
  readonly maskEllipse?: readonly Omit<MaskShape, "kind">[];
  /** Take the mask from the alpha channel of `mask` or, without one, of the image. @default from the brightness */
  readonly maskFromAlpha?: "auto" | "transparent" | "opaque";
  /** Repaint all but the mask. @default false */
  readonly invertMask?: boolean;
  /** Put the original's untouched pixels back over the result. @default true */
  readonly pasteBack?: boolean;
}

const { shape } = requestSchema;
export const stageKeys = Object.keys(stageRequest.shape) as (keyof StageRequest)[];
export const keyOf = ({ name }: DiffusionDescription, key: string): string =>
  `${name.replace("-", "")}${key.charAt(0).toUpperCase()}${key.slice(1)}`;

/** Sides of single stages: `stage1Width`. */
export const stageSizeNames: readonly string[] = diffusionTable
  .filter(({ pixels }) => pixels !== undefined)
  .flatMap((stage) => [keyOf(stage, "width"), keyOf(stage, "height")]);

/** Which settings a stage takes at all. */
function takes({ maxNoiseLevel, startStrengths, pixels }: DiffusionDescription, key: keyof StageRequest): boolean {
  if (key === "noiseLevel") return maxNoiseLevel !== undefined;
  if (isOfStart(key)) return startStrengths !== undefined;
  const ofPixels: readonly string[] = ["positiveMixer", "thresholdingP", "thresholdingC", "width", "height"];
  return pixels !== undefined || !ofPixels.includes(key);
}

/** Settings of stages that start from the image. */
const startKeys = ["strength", "supportNoiseLessQsampleSteps"] as const satisfies readonly (keyof StageRequest)[];
const isOfStart = (key: keyof StageRequest): boolean => startKeys.some((one) => one === key);

/** Options that are for all stages that take them. */
export const sharedKeys = [
  ...startKeys,
  "scheduler",
  "positiveMixer",
  "guidanceRescale",
  "guidanceInterval",
  "thresholdingP",
  "thresholdingC",
] as const satisfies readonly (keyof StageRequest)[];
const sharedShape: Record<string, z.ZodType> = Object.fromEntries(
  sharedKeys.map((key) => [key, stageRequest.shape[key].optional()]),
);

const stageShape: Record<string, z.ZodType> = Object.fromEntries(
  diffusionTable.flatMap((stage) => [
    [keyOf(stage, "model"), z.string().min(1).optional()],
    ...stageKeys
      .filter((key) => takes(stage, key))
      .map((key) => [keyOf(stage, key), stageRequest.shape[key].optional()]),
  ]),
);
/** As torch's manual_seed takes it. Numbers beyond 2^53 are not exact, so larger seeds are bigints. */
const seedOption = z
  .union([
    z.int(),
    z
      .bigint()
      .min(-(2n ** 63n))
      .max(2n ** 64n - 1n),
  ])
  .transform((seed) => Number(BigInt.asUintN(32, BigInt(seed))));
const box = z.strictObject({ x: z.int(), y: z.int(), width: z.int().positive(), height: z.int().positive() });

/** Every option of a drawing, optional but for the prompt: its JSON Schema describes a job of a file. */
export const jobOptionsSchema = z.strictObject({
  prompt: z
    .string()
    .refine((text) => text.trim() !== "", "it is empty; say what the image should show")
    .optional(),
  negativePrompt: shape.negativePrompt.optional(),
  positivePrompt: z.string().min(1).optional(),
  seed: seedOption.optional(),
  variationSeed: seedOption.optional(),
  variationStrength: variationRequest.shape.strength.optional(),
  numImages: shape.numImages.optional(),
  model: shape.model.optional(),
  textEncoderModel: z.string().min(1).optional(),
  variant: z.optional(z.enum(["fp32", "fp16", "8bit"])),
  until: shape.until.optional(),
  aspectRatio: z
    .string()
    .regex(/^[1-9]\d{0,4}:[1-9]\d{0,4}$/, "two whole numbers, W:H, such as 3:2")
    .optional(),
  size: z
    .string()
    .regex(/^[1-9]\d{0,4}x[1-9]\d{0,4}$/, "pixels, WxH, such as 1536x1024")
    .optional(),
  cleanCaption: shape.cleanCaption.optional(),
  longPrompt: z.enum(longPromptWays).optional(),
  promptEmbeds: z.string().min(1).optional(),
  watermark: shape.watermark.optional(),
  safety: z.optional(z.enum(["black", "blur", "off"])),
  eta: shape.eta.optional(),
  threads: z.int().positive().max(1024).optional(),
  executionProvider: shape.executionProvider.optional(),
  deviceId: z.int().nonnegative().max(255).optional(),
  textEncoderBits: z.literal([8, 4]).optional(),
  textEncoderActivations: z.enum(["float32", "int8"]).optional(),
  textEncoderDevice: z.enum(textEncoderDevices).optional(),
  unetBits: z.literal(8).optional(),
  image: z.string().min(1).optional(),
  mask: z.string().min(1).optional(),
  maskRect: z.array(box).optional(),
  maskEllipse: z.array(box).optional(),
  maskFromAlpha: z.enum(["auto", "transparent", "opaque"]).optional(),
  invertMask: z.boolean().optional(),
  pasteBack: z.boolean().optional(),
  ...upscaleShape,
  ...styleShape,
  ...listShape,
  ...stageMaskShape,
  ...sharedShape,
  ...stageShape,
  ...loraShape,
  ...upscalerShape,
});

/** Options that only inpaint takes. */
export const maskOptionNames = [
  "mask",
  "maskRect",
  "maskEllipse",
  "maskFromAlpha",
  "invertMask",
  "pasteBack",
] as const satisfies readonly (keyof MaskOptions)[];

export const jobOptionNames: readonly string[] = Object.keys(jobOptionsSchema.shape);

/**
 * @throws {UsageError} an option is unknown or wrong, or img2img and inpaint lack what they start from; says which and how.
 */
export function requestFromOptions(command: CommandName, given: unknown): Request {
  const parsed = jobOptionsSchema.safeParse(given);
  if (!parsed.success) throw new UsageError(describeOptions(firstOf(parsed.error.issues), given));
  const options = parsed.data as z.infer<typeof jobOptionsSchema> & Readonly<Record<string, unknown>>;
  checkStyle(command, options.style);
  if (command !== "inpaint") checkNoStageMask(command, options);
  const start = command === "upscale" ? originalOf(options) : startOf(command, options);
  const upscale = command === "upscale" ? upscaleFrom(options) : undefined;
  const until = untilWith(options, options.until);
  const seed = options.seed ?? randomInt(MAX_SEED + 1);
  const variation = variationOf(command, seed, options);
  const { prompt, variant, safety, threads, deviceId, textEncoderBits, textEncoderActivations, unetBits } = options;
  const { textEncoderModel, textEncoderDevice, positivePrompt, style } = options;
  const [aspectRatio, size] = [sidesOf(options.aspectRatio), sidesOf(options.size)];
  const chosen = {
    morePrompts: options.morePrompts,
    moreNegativePrompts: options.moreNegativePrompts,
    positivePrompt,
    style,
    aspectRatio,
    size,
    longPrompt: options.longPrompt,
    loras: lorasOf(options),
    promptEmbeds: options.promptEmbeds,
    upscalerModel: upscalerModelOf(options),
    textEncoderModel,
    variant,
    safety,
    threads,
    deviceId,
    textEncoderBits,
    textEncoderActivations,
    textEncoderDevice,
    unetBits,
  };
  if (prompt === undefined && command !== "upscale" && (options.promptEmbeds ?? style) === undefined)
    throw new UsageError(NO_PROMPT);
  return checkLists({
    command,
    prompt: prompt ?? "",
    negativePrompt: options.negativePrompt ?? "",
    seed,
    ...(variation ? { variation } : {}),
    numImages: options.numImages ?? 1,
    model: options.model ?? "demo",
    stageModels: perStage((stage) => options[keyOf(stage, "model")] as string | undefined),
    until: upscale ? untilOf(upscale) : until,
    ...(start ? { start } : {}),
    ...(upscale ? { upscale, lowResolution: options.image! } : {}),
    stages: perStage((stage) => stageOf(stage, start !== undefined, until, upscale?.stages, options)),
    cleanCaption: options.cleanCaption ?? true,
    watermark: options.watermark ?? true,
    eta: options.eta ?? 0,
    executionProvider: options.executionProvider ?? "auto",
    ...(withoutAbsent(chosen) as Partial<Request>),
  });
}

function variationOf(
  command: CommandName,
  seed: number,
  {
    variationSeed,
    variationStrength: strength,
  }: { variationSeed?: number | undefined; variationStrength?: number | undefined },
): Request["variation"] {
  if (strength === undefined && variationSeed === undefined) return undefined;
  if (command === "upscale")
    throw new UsageError("upscale has no variations: they are of what is drawn, not enlarged.");
  if (strength === undefined) throw new UsageError("a variation seed needs a variation strength, from 0 to 1.");
  return { seed: variationSeed ?? seedAfter(seed, 1), strength };
}

/** The seed `steps` further; after the largest comes 0. */
export const seedAfter = (seed: number, steps: number): number => (seed + steps) % (MAX_SEED + 1);

/** `3:2` or `1536x1024`. */
function sidesOf(text: string | undefined): { width: number; height: number } | undefined {
  if (text === undefined) return undefined;
  const [width = 0, height = 0] = text.split(/[:x]/).map(Number);
  return { width, height };
}

const withoutAbsent = (values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

function perStage<T>(valueOf: (stage: DiffusionDescription) => T | undefined): Partial<Record<DiffusionName, T>> {
  const entries = diffusionTable.map((stage) => [stage.name, valueOf(stage)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Partial<Record<DiffusionName, T>>;
}

function stageOf(
  stage: DiffusionDescription,
  startsFromImage: boolean,
  until: Side,
  upscaling: readonly DiffusionName[] | undefined,
  options: Readonly<Record<string, unknown>>,
): StageRequest | undefined {
  const isDrawn = upscaling?.includes(stage.name) ?? stage.side <= until;
  const shared = sharedKeys.filter((key) => isDrawn && takes(stage, key) && (startsFromImage || !isOfStart(key)));
  const noiseLevel = isDrawn ? noiseLevelFrom(options["augLevel"] as number | undefined) : undefined;
  const common = { ...Object.fromEntries(shared.map((key) => [key, options[key]])), noiseLevel };
  const settings = Object.fromEntries(stageKeys.map((key) => [key, options[keyOf(stage, key)]]));
  const request = withoutAbsent({ ...common, ...withoutAbsent(settings) });
  return Object.keys(request).length === 0 ? undefined : request;
}

/** The original beside an image that is enlarged. */
function originalOf(
  options: z.infer<typeof jobOptionsSchema> & Readonly<Record<string, unknown>>,
): StartImage | undefined {
  const { image, original } = options;
  if (image === undefined)
    throw new UsageError("no image is given; name the one to enlarge: if-gen upscale small.png.");
  const { pasteBack, ...ofMask } = Object.fromEntries(maskOptionNames.map((name) => [name, options[name]]));
  const masks = Object.keys(withoutAbsent(ofMask));
  const [stray] = Object.keys(withoutAbsent({ until: options.until, aspectRatio: options.aspectRatio, pasteBack }));
  if (stray !== undefined) throw new UsageError(`upscale has no ${stray}: --stages says what is drawn.`);
  if (original === undefined) {
    const { strength, supportNoiseLessQsampleSteps: less } = options as {
      [Key in (typeof startKeys)[number]]?: number;
    };
    const needing = { strength, "support-noise-less-qsample-steps": less, mask: masks[0] };
    const [needy] = Object.keys(withoutAbsent(needing));
    if (needy === undefined) return undefined;
    throw new UsageError(`--${needy} goes with --original, the image that stage 2 starts from.`);
  }
  const mask = masks.length === 0 ? {} : { mask: maskOf({ ...options, image: original }) };
  return { image: original, ...mask, pasteBack: false };
}

function startOf(
  command: CommandName,
  options: z.infer<typeof jobOptionsSchema> & Readonly<Record<string, unknown>>,
): StartImage | undefined {
  const { image, pasteBack } = options;
  const [other] = upscaleOptionNames.filter((name) => options[name] !== undefined);
  if (other !== undefined) throw new UsageError(`${other} goes with upscale, not with ${command}.`);
  const ofStart = Object.fromEntries(startKeys.map((key) => [key, options[key]]));
  const ofMask = Object.fromEntries(maskOptionNames.map((name) => [name, options[name]]));
  if (command === "txt2img") {
    const [stray] = Object.keys(withoutAbsent({ image, ...ofStart, ...ofMask }));
    if (stray === undefined) return undefined;
    throw new UsageError(`txt2img starts from no image: ${stray} goes with img2img and inpaint.`);
  }
  if (image === undefined) throw new UsageError("no image is given; name one with --image, e.g. --image car.jpg.");
  if (command !== "inpaint") {
    const [stray] = Object.keys(withoutAbsent(ofMask));
    if (stray === undefined) return { image, pasteBack: false };
    throw new UsageError(`${command} repaints the whole image: ${stray} goes with inpaint.`);
  }
  return { image, mask: maskOf(options), ...stageMasksOf(options), pasteBack: pasteBack ?? true };
}

function maskOf(options: z.infer<typeof jobOptionsSchema>): MaskRequest {
  const { image, mask, maskRect = [], maskEllipse = [], maskFromAlpha: fromAlpha, invertMask = false } = options;
  const shapes: MaskShape[] = [
    ...maskRect.map((rectangle) => ({ kind: "rectangle" as const, ...rectangle })),
    ...maskEllipse.map((ellipse) => ({ kind: "ellipse" as const, ...ellipse })),
  ];
  const file = mask ?? (fromAlpha ? image : undefined); // a hole in the image itself
  if (file === undefined && shapes.length === 0) {
    throw new UsageError(
      "nothing says what to repaint; give --mask, --mask-rect, --mask-ellipse or --mask-from-alpha.",
    );
  }
  return { ...(file === undefined ? {} : { file }), ...(fromAlpha ? { fromAlpha } : {}), shapes, invert: invertMask };
}

const NO_PROMPT = 'no prompt is given; write it in quotes, e.g. "a red circle".';

/** A misspelt option before what its absence leads to. */
const firstOf = (issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined =>
  issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];

function describeOptions(issue: z.core.$ZodIssue | undefined, given: unknown): string {
  if (issue?.code === "unrecognized_keys" && issue.path.length === 0) {
    const [unknown = ""] = issue.keys;
    const near = nearestName(unknown, jobOptionNames);
    return `there is no option ${printable(unknown)}${near === undefined ? "." : `; did you mean ${near}?`}`;
  }
  if (issue?.path.length === 0 && issue.code === "invalid_type") {
    return `options are an object such as { prompt: "a red circle" }, and not ${describeValue(given)}.`;
  }
  return `${describeIssue(issue, given)}.`;
}
