/**
 * @module pipelines/components
 * Opens one component of a checkpoint: `unet/`, `text_encoder/`, `scheduler/`, ... as a network that runs, or as a scheduler.
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { buildClipText, readClipTextConfig } from "../models/clip-text.ts";
import { buildSafetyChecker, readSafetyCheckerConfig } from "../models/clip-vision.ts";
import { buildIfUnet } from "../models/if-unet.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { buildSdUnetForTexts } from "../models/sd-unet.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../models/t5-encoder.ts";
import { buildVaeDecoder, readVaeConfig } from "../models/vae.ts";
import type { Graph } from "../onnx/graph.ts";
import { withInt8Activations } from "../onnx/int8-activations.ts";
import { exactActivationBits } from "../runtime/int8-products.ts";
import { computeTypeOf } from "../onnx/lower/providers.ts";
import { inTiles } from "../onnx/tiles.ts";
import type { Tensor } from "../math/tensor.ts";
import { withHoistedSession } from "../runtime/hoisted-session.ts";
import { type Feed, type Run, type SessionSettings, withSession } from "../runtime/session.ts";
import { parseSchedulerConfig } from "../schedulers/config.ts";
import { type CreateSchedulerOptions, createScheduler } from "../schedulers/create-scheduler.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { openWeights } from "../weights/checkpoint.ts";
import { readJson } from "../weights/file.ts";
import { type Variant, resolveVariant } from "../weights/variants.ts";
import { batchPerTurn, inTurns, withoutRepeats } from "./in-turns.ts";
import { type TextEncoderSettings, textEncoderFolder, textEncoderVariants } from "./text-encoder-folder.ts";
import { type UnetSettings, unetFolder, unetVariants } from "./unet-folder.ts";

/** How networks are opened, the same for all of a stage. */
export interface NetworkSettings extends SessionSettings, TextEncoderSettings, UnetSettings {
  /** Which weight files; the smallest that each network has if absent. */
  readonly variant?: Variant;
  /** How many samples a network takes at once; all if absent. */
  readonly maxBatch?: number;
  /** The picture decoder's maps are computed in strips of about so many bytes; whole if absent. */
  readonly stripBytes?: number;
}

/** Runs a network that has one output. */
export type Network = (feeds: Readonly<Record<string, Feed>>) => Promise<Tensor>;

async function withNetwork<T>(
  folder: string,
  description: Description,
  settings: NetworkSettings,
  published: readonly Variant[],
  use: (network: Network) => Promise<T>,
): Promise<T> {
  return withOutputs(folder, description, settings, published, (run) =>
    use(async (feeds) => {
      const [result] = (await run(feeds)).values();
      if (!result) throw new Error(`${folder}: the network has no output`);
      return result;
    }),
  );
}

/** A network for any batch, and the batch it is asked for. */
interface Description {
  readonly batch: number;
  readonly build: (batch: number) => Graph;
  /** Are its numbers all within float16's range? T5's and the upscaler's VAE's are not. */
  readonly fitsFloat16?: boolean;
  /** The inputs that differ from step to step; all if absent. What does not depend on them is computed once. */
  readonly varying?: readonly string[];
}

async function withOutputs<T>(
  folder: string,
  { batch, build, fitsFloat16 = false, varying }: Description,
  { variant, maxBatch, ...settings }: NetworkSettings,
  published: readonly Variant[],
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const own = batchPerTurn(batch, maxBatch);
  const resolved = await resolveVariant(folder, variant, published);
  const weights = await openWeights(folder, resolved);
  const computeType = computeTypeOf(fitsFloat16, resolved);
  const inSession = { ...settings, computeType, keepBuffers: settings.keepBuffers ?? varying !== undefined };
  const graph = build(own);
  const useInTurns = (run: Run): Promise<T> => use(inTurns(withoutRepeats(run, graph), batch / own));
  if (!varying) return withSession(graph, weights, inSession, useInTurns);
  const kept = batch / own;
  return withHoistedSession(graph, { varying, kept, sparesCard: kept > 1 }, weights, inSession, useInTurns); // turns: it is full
}

/** @param component `scheduler`, `image_noising_scheduler` or `low_res_scheduler`. */
export async function openScheduler(
  checkpoint: string,
  component: string,
  override?: CreateSchedulerOptions,
): Promise<Scheduler> {
  const path = join(checkpoint, component, "scheduler_config.json");
  return createScheduler(parseSchedulerConfig(await readJson(path), path), override);
}

/** T5: `input_ids`, `attention_mask` -> (B, L, D). */
export async function withT5Encoder<T>(
  checkpoint: string,
  shape: { batch: number; textLength: number },
  settings: NetworkSettings,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const { folder, variant } = await textEncoderFolder(checkpoint, settings);
  const config = await readT5EncoderConfig(folder);
  const isInt8 = settings.textEncoder?.activations === "int8";
  const mark = isInt8 ? withInt8Activations(await exactActivationBits()) : (graph: Graph): Graph => graph;
  const build = (batch: number): Graph => mark(buildT5Encoder(config, { ...shape, batch }));
  return withNetwork(folder, { batch: shape.batch, build }, { ...settings, variant }, textEncoderVariants, use);
}

/** Of both kinds of UNet; text and noise level stay the same. */
const varyingInputs: readonly string[] = ["sample", "timestep"];

/** Stage 1 and 2: `sample`, `timestep`, `encoder_hidden_states` and, in stage 2, `class_labels` -> (B, 2C, H, W). */
export async function withIfUnet<T>(
  checkpoint: string,
  shape: { batch: number; height: number; width: number; textLength: number },
  settings: NetworkSettings,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const { folder, variant } = await unetFolder(checkpoint, settings);
  const config = await readIfUnetConfig(folder);
  const build = (batch: number): Graph => buildIfUnet(config, { ...shape, batch });
  const description = { batch: shape.batch, build, fitsFloat16: true, varying: varyingInputs };
  return withNetwork(folder, description, { ...settings, variant }, unetVariants, use);
}

/**
 * The upscaler's UNet: as stage 2's, on latents; `class_labels` is int64.
 * @param shape `texts`: for each picture, which is the same in as many parts of the batch.
 */
export async function withSdUnet<T>(
  checkpoint: string,
  { batch: samples, ...shape }: { batch: number; texts: number; height: number; width: number; textLength: number },
  settings: NetworkSettings,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const { folder, variant } = await unetFolder(checkpoint, settings);
  const config = await readSdUnetConfig(folder);
  const build = (batch: number): Graph => buildSdUnetForTexts(config, { ...shape, samples }, batch);
  const description = { batch: samples, build, fitsFloat16: true, varying: varyingInputs };
  return withNetwork(folder, description, { ...settings, variant }, unetVariants, use);
}

/** The upscaler's text encoder: `input_ids` -> (B, L, D). */
export async function withClipText<T>(
  checkpoint: string,
  shape: { batch: number; textLength: number },
  settings: NetworkSettings,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const folder = join(checkpoint, "text_encoder");
  const config = await readClipTextConfig(folder);
  const description = { batch: shape.batch, build: (batch: number) => buildClipText(config, { ...shape, batch }) };
  return withNetwork(folder, description, settings, unetVariants, use);
}

/** `latents` (B, C, h, w), divided by the scaling factor -> (B, 3, H, W), about [-1, 1]. */
export async function withVaeDecoder<T>(
  checkpoint: string,
  shape: { batch: number; height: number; width: number },
  settings: NetworkSettings,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const folder = join(checkpoint, "vae");
  const config = await readVaeConfig(folder);
  const build = (batch: number): Graph => {
    const graph = buildVaeDecoder(config, { ...shape, batch });
    return settings.stripBytes === undefined ? graph : inTiles(graph, settings.stripBytes);
  };
  const strips = settings.stripBytes !== undefined;
  const inSession = { ...settings, keepBuffers: strips, inOrder: strips }; // strips are small and many, whole maps neither
  return withNetwork(folder, { batch: shape.batch, build }, inSession, unetVariants, use);
}

/** `pixel_values` (B, 3, S, S) -> `image_embeds` (B, E), `p_score` and `w_score` (B). */
export async function withSafetyChecker<T>(
  checkpoint: string,
  shape: { batch: number },
  settings: NetworkSettings,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const folder = join(checkpoint, "safety_checker");
  const config = await readSafetyCheckerConfig(folder);
  const description = { batch: shape.batch, build: (batch: number) => buildSafetyChecker(config, { batch }) };
  return withOutputs(folder, description, settings, unetVariants, use);
}

/** Two components that must agree on a size. @throws {CheckpointError} they do not. */
export function checkSameWidth(what: string, here: number, other: string, there: number): void {
  if (here !== there) {
    throw new CheckpointError(
      `${what} is ${here} wide but ${other} is ${there} wide; these checkpoints do not belong together.`,
    );
  }
}
