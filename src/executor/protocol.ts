/**
 * @module executor/protocol
 * What a stage's process is told and what it says. Both sides check what they get. Tensors never travel here: they are
 * safetensors files in the jobs' folders.
 */

import { z } from "zod";
import { jobSchema, lowMemorySchema, sharedSettings, stageSchema } from "../plan/plan.ts";
import { failureMessage } from "./messages.ts";
import { providerNames } from "../onnx/lower/provider-names.ts";
import { diffusionNames } from "../plan/stages.ts";

/** The images that a stage draws of a job. */
const jobImages = z.strictObject({
  files: z.array(
    z.strictObject({
      path: z.string(),
      /** The texts that the PNG carries, by their keywords. */
      texts: z.record(z.string(), z.string()),
      /** Where its pixels go as they are, RGB, 8 bits each, row by row. */
      pixels: z.string().exactOptional(),
    }),
  ),
  /** The checkpoint whose `watermarker/` signs them. */
  watermarker: z.string().exactOptional(),
  /** The start image's pixels outside this stage's mask are put back over them; absent: nothing is. */
  pasteBack: z.enum(diffusionNames).exactOptional(),
});
export type JobImages = z.infer<typeof jobImages>;

const taskJob = z.strictObject({
  ...jobSchema.shape,
  /** Its place in the plan. */
  index: z.int().nonnegative(),
  /** Holds the files of the stages before, and this one's: `<name>.safetensors`. */
  folder: z.string(),
  /** The job's generator as the stage before left it, base64; absent before the first draw. */
  generatorState: z.string().exactOptional(),
  /** Where each step's sample goes: how the files' paths begin. Absent: they are not kept. */
  latents: z.string().exactOptional(),
  /** Absent: this stage draws no image files. */
  images: jobImages.exactOptional(),
});
export type TaskJob = z.infer<typeof taskJob>;

/** One stage of a plan and the jobs it runs, group after group, with networks that are opened once. */
export const stageTask = z.strictObject({
  stage: stageSchema,
  ...sharedSettings,
  /** How many jobs the stage's UNet takes at once. */
  jobsAtOnce: z.int().positive(),
  /** Absent: the CPU. */
  executionProvider: z.enum(providerNames).exactOptional(),
  deviceId: z.int().nonnegative().exactOptional(),
  lowMemory: lowMemorySchema,
  /** Send a preview after every so many steps; absent: none. */
  previewEvery: z.int().positive().exactOptional(),
  /**
   * It is not the stage's turn yet: its networks are loaded, and the jobs, of which no file may be read before, come in a
   * {@link goMessage}.
   */
  isAhead: z.boolean(),
  /** Its UNet is run once before its turn. Absent: it is not. */
  warmsUp: z.literal(true).exactOptional(),
  /** Its networks stay open when it is done, and the process waits for another task. Absent: it ends. */
  keepsNetworks: z.literal(true).exactOptional(),
  jobs: z.array(taskJob).min(1),
});
export type StageTask = z.infer<typeof stageTask>;

/** The turn of a stage that was started ahead has come. */
export const goMessage = z.strictObject({ type: z.literal("go"), jobs: z.array(taskJob).min(1) });
export type GoMessage = z.infer<typeof goMessage>;

/** An image of what the stage is at, RGB, 8 bits each, base64. */
const preview = z.strictObject({ width: z.int(), height: z.int(), rgb: z.string() });
export type Preview = z.infer<typeof preview>;

const job = z.int().nonnegative();

export const stageMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("progress"),
    job,
    /** All that are drawn at once, where there are several. */
    jobs: z.array(job).min(2).exactOptional(),
    step: z.int(),
    steps: z.int(),
    what: z.string(),
    preview: preview.exactOptional(),
  }),
  /** A sentence for the user, such as what of a prompt was cut off. */
  z.strictObject({ type: z.literal("note"), job, text: z.string() }),
  /** The job's files are written. */
  z.strictObject({ type: z.literal("finished"), job, generatorState: z.string().exactOptional() }),
  /** The weights of the network that draws are there. */
  z.strictObject({ type: z.literal("loaded") }),
  /** All jobs are. */
  z.strictObject({ type: z.literal("done") }),
  failureMessage,
]);
export type StageMessage = z.infer<typeof stageMessage>;

/** What the safety checker said of an image: raw scores, unsafe or a stock image's mark above 0.5. */
export const safetyReport = z.array(
  z.strictObject({ unsafe: z.number(), watermark: z.number(), flagged: z.boolean() }),
);
export type SafetyReport = z.infer<typeof safetyReport>;

/** In a job's folder, beside the tensor files: a {@link SafetyReport}, one entry per image. */
export const SAFETY_REPORT_FILE = "safety.json";
