/**
 * @module executor/protocol
 * What parent and stage process say to each other. Both sides check what they get. Tensors never travel here: they are
 * safetensors files, named in the job.
 */

import { z } from "zod";
import type { Stage } from "../plan/plan.ts";
import type { MaskRequest } from "../plan/request.ts";

const selection = z.union([
  z.strictObject({ numInferenceSteps: z.int() }),
  z.strictObject({ timesteps: z.array(z.number()) }),
]);

const pixels = z.int().positive();

export const mask: z.ZodType<MaskRequest> = z.strictObject({
  file: z.string().exactOptional(),
  shapes: z.array(
    z.strictObject({ kind: z.enum(["rectangle", "ellipse"]), x: z.int(), y: z.int(), width: pixels, height: pixels }),
  ),
  invert: z.boolean(),
});

const diffusionName = z.enum(["stage-1", "stage-2", "stage-3"]);

const stage: z.ZodType<Stage> = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("text-encoding"), checkpoint: z.string(), cleanCaption: z.boolean() }),
  z.strictObject({
    name: diffusionName,
    checkpoint: z.string(),
    selection,
    preset: z.string().exactOptional(),
    guidanceScale: z.number(),
    noiseLevel: z.int().exactOptional(),
    width: pixels,
    height: pixels,
    start: z.strictObject({ image: z.string(), strength: z.number(), mask: mask.exactOptional() }).exactOptional(),
  }),
  z.strictObject({
    name: z.literal("safety"),
    checkpoint: z.string(),
    action: z.enum(["black", "blur"]),
    of: z.strictObject({ name: diffusionName, checkpoint: z.string() }),
  }),
]);

/** One stage of a plan, with the files it reads and writes. */
export const stageJob = z.strictObject({
  stage,
  prompt: z.string(),
  negativePrompt: z.string(),
  numImages: z.int().positive(),
  eta: z.number(),
  variant: z.enum(["fp32", "fp16", "8bit"]).exactOptional(),
  threads: z.int().positive().exactOptional(),
  /** Absent: the processor. */
  executionProvider: z.enum(["cuda", "webgpu"]).exactOptional(),
  deviceId: z.int().nonnegative().exactOptional(),
  textEncoder: z
    .strictObject({
      bits: z.union([z.literal(8), z.literal(4)]),
      cache: z.string(),
      activations: z.enum(["float32", "int8"]),
    })
    .exactOptional(),
  unet: z.strictObject({ bits: z.literal(8), cache: z.string() }).exactOptional(),
  /** What the stage does to need less memory. */
  thrift: z
    .strictObject({ maxBatch: z.int().positive().exactOptional(), stripBytes: z.int().positive().exactOptional() })
    .exactOptional(),
  seed: z.int(),
  /** The shared generator as the stage before left it, base64; absent before the first draw. */
  generatorState: z.string().exactOptional(),
  /** Holds the files of the stages before, and this one's: `<name>.safetensors`. */
  folder: z.string(),
  /** Where to draw the pictures, one entry each, when they are wanted. */
  pictures: z
    .strictObject({
      /** `parameters` is the text the PNG carries. */
      files: z.array(z.strictObject({ path: z.string(), parameters: z.string() })),
      /** The checkpoint whose `watermarker/` signs them. */
      watermarker: z.string().exactOptional(),
      /** The picture whose pixels outside the mask go over them. */
      pasteBack: z.strictObject({ image: z.string(), mask }).exactOptional(),
    })
    .exactOptional(),
});
export type StageJob = z.infer<typeof stageJob>;

export const stageMessage = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("progress"), step: z.int(), steps: z.int(), what: z.string() }),
  /** A sentence for the user, such as what of a prompt was cut off. */
  z.strictObject({ type: z.literal("note"), text: z.string() }),
  z.strictObject({ type: z.literal("result"), generatorState: z.string().exactOptional() }),
  /** `code` is one of errors.ts, or null for a bug, which comes with its stack. */
  z.strictObject({ type: z.literal("error"), code: z.string().nullable(), message: z.string() }),
]);
export type StageMessage = z.infer<typeof stageMessage>;

/** The tensor files that pass between the stages; each holds one tensor under the file's own name. */
export type StageFile = "prompt_embeds" | "negative_prompt_embeds" | "stage-1" | "stage-2" | "stage-3";

/** @returns the tensor files a stage writes. */
export function filesOf(name: Stage["name"]): readonly StageFile[] {
  if (name === "text-encoding") return ["prompt_embeds", "negative_prompt_embeds"];
  return name === "safety" ? [] : [name];
}

/** What the safety checker said of a picture: raw scores, unsafe or a stock picture's mark above 0.5. */
export const safetyReport = z.array(
  z.strictObject({ unsafe: z.number(), watermark: z.number(), flagged: z.boolean() }),
);
export type SafetyReport = z.infer<typeof safetyReport>;

/** In the run's folder, beside the tensor files: a {@link SafetyReport}, one entry per picture. */
export const SAFETY_REPORT_FILE = "safety.json";
