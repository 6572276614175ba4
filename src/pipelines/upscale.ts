/**
 * @module pipelines/upscale
 * 256 -> 1024 pixels: StableDiffusionUpscalePipeline. CLIP text, the UNet on latents joined to the noised picture, the
 * VAE's decoder; one network at a time.
 *
 * Letters: P prompts, N pictures = P · pictures per prompt, L tokens, h and w sides of the low-resolution picture.
 */

import { join } from "node:path";
import { preprocessUpscalerTensor } from "../image/preprocess-upscaler.ts";
import { concatBatch, repeatInterleave, sliceBatch, tileBatch } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import { createClipTokenizer } from "../tokenizers/clip-tokenizer.ts";
import type { Tokenized } from "../tokenizers/text-tokenizer.ts";
import type { TimestepSelection } from "../schedulers/scheduler.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import { readVaeConfig } from "../models/vae.ts";
import { readClipTextConfig } from "../models/clip-text.ts";
import {
  type NetworkSettings,
  checkSameWidth,
  openScheduler,
  withClipText,
  withSdUnet,
  withVaeDecoder,
} from "../networks/components.ts";
import { type StepEvent, denoise } from "./denoise.ts";
import { isGuided } from "./guidance.ts";
import { drawNoise } from "../schedulers/noise.ts";
import { TEXT_LENGTH } from "./text-encoding.ts";

export interface UpscaleOptions {
  readonly checkpoint: string;
  readonly prompts: readonly string[];
  readonly negativePrompts: readonly string[];
  readonly imagesPerPrompt: number;
  /** (P, 3, h, w): in [-1, 1] if any number is negative, else in [0, 1]. */
  readonly image: Tensor;
  readonly selection: TimestepSelection;
  readonly guidanceScale: number;
  readonly eta: number;
  /** A timestep of the low_res_scheduler; the pipeline's limit is 350. */
  readonly noiseLevel: number;
  /** Read in the reference's order: the noise on the picture, then the latents, then, with η > 0, a draw per step. */
  readonly generator: Generator;
  readonly settings: NetworkSettings;
  readonly onStep?: (event: StepEvent) => void;
  /** After each decoded picture. */
  readonly onDecoded?: (done: number, total: number) => void;
}

export interface Upscaled {
  /** The decoder's output, (N, 3, 4h, 4w), about [-1, 1], not clamped. */
  readonly images: Tensor;
  /** (P, L, D) each; the negative ones null when guidance is off. */
  readonly promptEmbeds: Tensor;
  readonly negativePromptEmbeds: Tensor | null;
  readonly tokens: { readonly prompts: readonly Tokenized[]; readonly negativePrompts: readonly Tokenized[] };
}

export async function runUpscale(options: UpscaleOptions): Promise<Upscaled> {
  const { prompts, imagesPerPrompt, guidanceScale } = options;
  const text = await encodeClip(options);
  const positive = repeatInterleave(text.promptEmbeds, imagesPerPrompt);
  const embeds = text.negativePromptEmbeds
    ? concatBatch([repeatInterleave(text.negativePromptEmbeds, imagesPerPrompt), positive])
    : positive;
  const latents = await denoiseLatents(options, embeds, prompts.length * imagesPerPrompt, isGuided(guidanceScale));
  return { ...text, images: await decodeLatents(options, latents) };
}

async function encodeClip(options: UpscaleOptions): Promise<Omit<Upscaled, "images">> {
  const { checkpoint, prompts, negativePrompts, guidanceScale, settings } = options;
  const folder = join(checkpoint, "tokenizer");
  const tokenizer = await createClipTokenizer(folder);
  const { vocab_size: rows } = await readClipTextConfig(join(checkpoint, "text_encoder"));
  if (tokenizer.vocabSize > rows) checkSameWidth(folder, tokenizer.vocabSize, "the text encoder's table", rows);
  const texts = isGuided(guidanceScale) ? [...prompts, ...negativePrompts] : prompts;
  const tokens = texts.map((text) => tokenizer.encode(text, TEXT_LENGTH));
  const ids = BigInt64Array.from(tokens.flatMap(({ inputIds }) => inputIds.map(BigInt)));
  const shape = { batch: texts.length, textLength: TEXT_LENGTH };
  const embeds = await withClipText(checkpoint, shape, settings, (network) => network({ input_ids: ids }));
  const split = prompts.length;
  return {
    promptEmbeds: sliceBatch(embeds, 0, split),
    negativePromptEmbeds: texts.length > split ? sliceBatch(embeds, split, texts.length) : null,
    tokens: { prompts: tokens.slice(0, split), negativePrompts: tokens.slice(split) },
  };
}

/** @returns x_0 of the latents, (N, C, h, w). */
async function denoiseLatents(
  options: UpscaleOptions,
  embeds: Tensor,
  pictures: number,
  guided: boolean,
): Promise<Tensor> {
  const { checkpoint, generator, noiseLevel, guidanceScale, eta } = options;
  const config = await readSdUnetConfig(join(checkpoint, "unet"));
  const vae = await readVaeConfig(join(checkpoint, "vae"));
  checkSameWidth(`${checkpoint}'s CLIP embedding`, embeds.shape[2] ?? 0, "its UNet", config.cross_attention_dim);
  const scheduler = await openScheduler(checkpoint, "scheduler");
  const lowRes = await openScheduler(checkpoint, "low_res_scheduler");
  const image = preprocessUpscalerTensor(options.image);
  scheduler.setTimesteps(options.selection);
  const noised = lowRes.addNoise(image, generator.randn(image.shape), [noiseLevel]);
  const [, , height = 0, width = 0] = image.shape;
  const noise = drawNoise([pictures, vae.latent_channels, height, width], generator);
  const sample = { data: noise.data.map((value) => value * scheduler.initNoiseSigma), shape: noise.shape };
  const batch = guided ? 2 * pictures : pictures;
  const shape = { batch, texts: guided ? 2 : 1, height, width, textLength: TEXT_LENGTH };
  return withSdUnet(checkpoint, shape, options.settings, (network) =>
    denoise({
      scheduler,
      timesteps: scheduler.timesteps,
      sample,
      conditioning: tileBatch(noised, options.imagesPerPrompt), // a, b, a, b beside prompts a, a, b, b: as the reference
      guidanceScale,
      eta,
      generator,
      predict: (modelInput, timestep) =>
        network({
          sample: modelInput.data,
          timestep: new Float32Array(batch).fill(timestep),
          encoder_hidden_states: embeds.data,
          class_labels: new BigInt64Array(batch).fill(BigInt(noiseLevel)),
        }),
      ...(options.onStep ? { onStep: options.onStep } : {}),
    }),
  );
}

/** One picture after the other: the decoder's activations are the stage's peak. */
async function decodeLatents(options: UpscaleOptions, latents: Tensor): Promise<Tensor> {
  const { scaling_factor: factor } = await readVaeConfig(join(options.checkpoint, "vae"));
  const [pictures = 0, , height = 0, width = 0] = latents.shape;
  const shape = { batch: 1, height, width };
  return withVaeDecoder(options.checkpoint, shape, options.settings, async (network) => {
    const decoded: Tensor[] = [];
    for (let picture = 0; picture < pictures; picture++) {
      const own = sliceBatch(latents, picture, picture + 1).data;
      decoded.push(await network({ latents: own.map((value) => value / factor) }));
      options.onDecoded?.(picture + 1, pictures);
    }
    return concatBatch(decoded);
  });
}
