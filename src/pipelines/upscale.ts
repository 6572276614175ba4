/**
 * @module pipelines/upscale
 * 256 -> 1024 pixels: StableDiffusionUpscalePipeline. CLIP text, the UNet on latents joined to the noised image, the VAE's
 * decoder; one network at a time, each over all jobs.
 *
 * Letters: P prompts, N images = P · images per prompt, L tokens, h and w sides of the low-resolution image.
 */

import { join } from "node:path";
import { preprocessUpscalerTensor } from "../image/preprocess-upscaler.ts";
import { concatBatch, repeatInterleave, sliceBatch, tileBatch } from "../math/layout.ts";
import { type Generator, restoreGenerator } from "../math/random.ts";
import type { Numbers, Tensor } from "../math/tensor.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import { readVaeConfig } from "../models/vae.ts";
import { type NetworkDescription, TEXT_LENGTH, checkSameWidth } from "../networks/description.ts";
import { type NetworkSettings, withNetwork } from "../networks/open-network.ts";
import { openClipTokenizer } from "../networks/open-tokenizer.ts";
import { type StartUp, startUp } from "../networks/start-up.ts";
import { type UpscalerNetworks, describeUpscaler } from "../networks/upscaler.ts";
import { type StageTiles, isGuided } from "../plan/plan.ts";
import type { CreateSchedulerOptions } from "../schedulers/create-scheduler.ts";
import { drawNoise } from "../schedulers/noise.ts";
import type { TimestepSelection } from "../schedulers/scheduler.ts";
import type { Tokenized } from "../tokenizers/text-tokenizer.ts";
import type { Feed } from "../runtime/session.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import { type OnTile, dividedTiles, predictInTiles, runInTiles } from "./blended-tiles.ts";
import type { OnStep } from "./denoise.ts";
import { denoiseInThreads } from "./denoise-in-threads.ts";
import { type Guidance, guidanceOf } from "./guidance.ts";
import { type NonEmpty, filledUp, splitBatch, tellEach } from "./join-jobs.ts";
import { drawGroups } from "./groups-at-once.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import { type StepThreadOptions, convertsHalves, withStepThreads } from "./step-threads.ts";

/** What all jobs share. */
export interface UpscaleOptions extends Omit<Guidance, "positiveMixer">, StepThreadOptions, StartUp {
  readonly checkpoint: string;
  /** N, of each job. */
  readonly images: number;
  /** Of the enlarged images, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Draw and decode larger images than the networks take. @default whole images */
  readonly tiles?: StageTiles | undefined;
  readonly selection: TimestepSelection;
  readonly eta: number;
  readonly scheduler?: CreateSchedulerOptions;
  /** A timestep of the low_res_scheduler; the pipeline's limit is 350. */
  readonly noiseLevel: number;
  /** Merged into the UNet's weights. @default nothing */
  readonly lora?: LoraMerge | undefined;
  readonly settings: NetworkSettings;
  /** How many jobs the UNet takes at once. @default 1 */
  readonly groupSize?: number;
  /** How many such groups of jobs are denoised side by side. @default 1 */
  readonly groupsAtOnce?: number;
}

export interface UpscaleTexts {
  readonly prompts: readonly string[];
  /** One per prompt. */
  readonly negativePrompts: readonly string[];
}

export interface UpscaleJob {
  readonly imagesPerPrompt: number;
  /** (P, 3, h, w): in [-1, 1] if any number is negative, else in [0, 1]. Read when it is needed. */
  readonly image: () => Promise<Tensor>;
  /** Read in the reference's order: the noise on the image, then the latents, then, with η > 0, a draw per step. */
  readonly generator: Generator;
  readonly onStep?: OnStep;
  /** After each tile of a step. */
  readonly onTile?: OnTile;
  /** After each decoded image or, in tiles, after each tile of one. */
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

/** All of `groupSize` jobs; the last one may be smaller. */
type UpscaleGroups = () => Promise<readonly NonEmpty<UpscaleJob>[]>;

type NumberedJob = readonly [place: number, job: UpscaleJob];

type Text = Omit<Upscaled, "images">;

/**
 * @param texts of each job, which are encoded at once.
 * @param jobs  asked for when the UNet is loaded; in groups that it takes at once.
 * @param done  called with each job's images, in order, as they are finished.
 */
export async function runUpscale(
  options: UpscaleOptions,
  texts: readonly UpscaleTexts[],
  jobs: UpscaleGroups,
  done: (index: number, result: Upscaled, job: UpscaleJob) => Promise<void>,
): Promise<void> {
  const images = options.images * (options.groupSize ?? 1);
  const networks = await describeUpscaler(options.checkpoint, { ...options, images }, options.lora);
  const encoded = await encodeClip(options, networks.text, texts);
  const tiles = options.tiles && dividedTiles(options.tiles, await readLatentFactor(options.checkpoint));
  const { given, latents } = await denoiseLatents({ ...options, tiles }, networks, jobs, encoded);
  await decodeLatents({ ...options, tiles }, networks.decoder, latents, given, (index, images, job) =>
    done(index, { ...encoded[index]!, images }, job),
  );
}

/** How many pixels a side of a latent stands for. */
const readLatentFactor = async (checkpoint: string): Promise<number> =>
  2 ** ((await readVaeConfig(join(checkpoint, "vae"))).block_out_channels.length - 1);

async function encodeClip(
  { checkpoint, guidanceScale, settings }: UpscaleOptions,
  description: NetworkDescription,
  given: readonly UpscaleTexts[],
): Promise<Text[]> {
  const tokenizer = await openClipTokenizer(checkpoint);
  const texts: Text[] = [];
  const samples = isGuided(guidanceScale) ? 2 : 1;
  const prompts = given[0]?.prompts.length ?? 0;
  await withNetwork({ ...description, batch: samples * prompts }, settings, async (network) => {
    for (const job of given) {
      const all = isGuided(guidanceScale) ? [...job.prompts, ...job.negativePrompts] : job.prompts;
      const tokens = all.map((text) => tokenizer.encode(text, TEXT_LENGTH));
      const ids = BigInt64Array.from(tokens.flatMap(({ inputIds }) => inputIds.map(BigInt)));
      const embeds = await network({ input_ids: ids });
      texts.push({
        promptEmbeds: sliceBatch(embeds, 0, prompts),
        negativePromptEmbeds: all.length > prompts ? sliceBatch(embeds, prompts, all.length) : null,
        tokens: { prompts: tokens.slice(0, prompts), negativePrompts: tokens.slice(prompts) },
      });
    }
  });
  return texts;
}

/** @param options whose tiles are those of the latents. @returns the jobs, and x_0 of each one's latents, (N, C, h, w). */
async function denoiseLatents(
  options: UpscaleOptions,
  { unet: description }: UpscalerNetworks,
  jobs: UpscaleGroups,
  texts: readonly Text[],
): Promise<{ given: readonly UpscaleJob[]; latents: readonly Tensor[] }> {
  const { checkpoint, noiseLevel, eta } = options;
  const config = await readSdUnetConfig(join(checkpoint, "unet"));
  const vae = await readVaeConfig(join(checkpoint, "vae"));
  const lowRes = await openScheduler(checkpoint, "low_res_scheduler");
  return withStepThreads(options, (threads) =>
    withNetwork(description, { ...options.settings, narrowsImages: convertsHalves(options) }, async (network) => {
      await startUp(network, description, options);
      const groups = await jobs();
      const latents = await drawGroups(numbered(groups), options.groupsAtOnce ?? 1, async (group) => {
        // copies draw for nothing, and must not touch the generator of the job that they are copies of
        const places = filledUp(group, options.groupSize ?? 1, ([place, job]): NumberedJob => [place, silentCopy(job)]);
        const embeds = networkEmbeds(places.map(([place, { imagesPerPrompt }]) => [texts[place]!, imagesPerPrompt]));
        checkSameWidth(`${checkpoint}'s CLIP embedding`, embeds.shape[2] ?? 0, "its UNet", config.cross_attention_dim);
        const scheduler = await openScheduler(checkpoint, "scheduler", options.scheduler);
        scheduler.setTimesteps(options.selection);
        const starts: { sample: Tensor; conditioning: Tensor }[] = [];
        for (const [, job] of places) {
          const image = preprocessUpscalerTensor(await job.image());
          const noised = lowRes.addNoise(image, job.generator.randn(image.shape), [noiseLevel]);
          const [prompts = 0, , height = 0, width = 0] = image.shape;
          const noise = drawNoise([prompts * job.imagesPerPrompt, vae.latent_channels, height, width], job.generator);
          starts.push({
            sample: { data: noise.data.map((value) => value * scheduler.initNoiseSigma), shape: noise.shape },
            conditioning: tileBatch(noised, job.imagesPerPrompt), // a, b, a, b beside prompts a, a, b, b: as the reference
          });
        }
        const feedsOf = (sample: Numbers, timestep: number): Record<string, Feed> => ({
          sample,
          timestep: new Float32Array(description.batch).fill(timestep),
          encoder_hidden_states: embeds.data,
          class_labels: new BigInt64Array(description.batch).fill(BigInt(noiseLevel)),
        });
        const denoised = await denoiseInThreads({
          scheduler,
          ...threads,
          source: {
            checkpoint,
            selection: options.selection,
            ...(options.scheduler ? { override: options.scheduler } : {}),
          },
          timesteps: scheduler.timesteps,
          sample: concatBatch(starts.map(({ sample }) => sample)),
          conditioning: concatBatch(starts.map(({ conditioning }) => conditioning)),
          ...guidanceOf(options),
          eta,
          generator: places.map(([, { generator }]) => generator),
          predict: predictInTiles(
            ({ data }, timestep, into) => network(feedsOf(data, timestep), into),
            options.tiles,
            group[0][1].onTile,
          ),
          predictHalves:
            network.inHalves && (({ data }, timestep, into) => network.inHalves!(feedsOf(data, timestep), into)),
          onStep: (event) =>
            tellEach(
              places.map(([, job]) => job),
              event,
            ),
        });
        return splitBatch(denoised, places.length).slice(0, group.length);
      });
      return { given: groups.flat(), latents: latents.flat() };
    }),
  );
}

/** Each job with its place among all. */
function numbered(groups: readonly NonEmpty<UpscaleJob>[]): NonEmpty<NumberedJob>[] {
  let place = 0;
  const withPlace = (job: UpscaleJob): NumberedJob => [place++, job];
  return groups.map(([first, ...others]) => [withPlace(first), ...others.map(withPlace)]);
}

/** A job that fills a group up: with a generator of its own, and nobody is told of it. */
function silentCopy({ imagesPerPrompt, image, generator }: UpscaleJob): UpscaleJob {
  return { imagesPerPrompt, image, generator: restoreGenerator(generator.saveState()) };
}

/** One per image of the group and, guided, the negative ones before them. */
function networkEmbeds(group: readonly (readonly [Text, imagesPerPrompt: number])[]): Tensor {
  const positive = group.map(([{ promptEmbeds }, images]) => repeatInterleave(promptEmbeds, images));
  const negative = group.flatMap(([{ negativePromptEmbeds }, images]) =>
    negativePromptEmbeds ? [repeatInterleave(negativePromptEmbeds, images)] : [],
  );
  return concatBatch([...negative, ...positive]);
}

/** One image, or tile of one, after the other: the decoder's activations are the stage's peak. */
async function decodeLatents(
  { checkpoint, settings, tiles }: UpscaleOptions,
  description: NetworkDescription,
  latents: readonly Tensor[],
  jobs: readonly UpscaleJob[],
  done: (index: number, images: Tensor, job: UpscaleJob) => Promise<void>,
): Promise<void> {
  const { scaling_factor: factor } = await readVaeConfig(join(checkpoint, "vae"));
  const scale = await readLatentFactor(checkpoint);
  await withNetwork(description, settings, async (network) => {
    for (const [index, sample] of latents.entries()) {
      const job = jobs[index]!;
      const [images = 0] = sample.shape;
      const decoded: Tensor[] = [];
      for (let image = 0; image < images; image++) {
        const { data, shape } = sliceBatch(sample, image, image + 1);
        const scaled = { data: data.map((value) => value / factor), shape };
        const decode = (latent: Tensor): Promise<Tensor> => network({ latents: latent.data });
        if (tiles) {
          const onTile: OnTile = (at, count) => job.onDecoded?.(image * count + at, images * count);
          decoded.push(await runInTiles(scaled, tiles, scale, decode, onTile));
        } else {
          decoded.push(await decode(scaled));
          job.onDecoded?.(image + 1, images);
        }
      }
      await done(index, tiles && decoded.length === 1 ? decoded[0]! : concatBatch(decoded), job);
    }
  });
}
