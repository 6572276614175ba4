/**
 * @module pipelines/if-stage
 * What the two IF stages share: one UNet, opened once, and a denoising loop for each job.
 *
 * Letters: N images = prompts · images per prompt, L tokens, D width of T5, H and W sides.
 */

import { join } from "node:path";
import { ShapeError } from "../errors.ts";
import { concatBatch, repeatInterleave } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Numbers, Tensor } from "../math/tensor.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { checkSameWidth } from "../networks/description.ts";
import { describeIfUnet } from "../networks/if-unet.ts";
import { type NetworkSettings, withNetwork } from "../networks/open-network.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import { type StartUp, startUp } from "../networks/start-up.ts";
import { type StageTiles, textsPerImage } from "../plan/plan.ts";
import type { CreateSchedulerOptions } from "../schedulers/create-scheduler.ts";
import type { TimestepSelection } from "../schedulers/scheduler.ts";
import type { Feed } from "../runtime/session.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import { type OnTile, predictInTiles } from "./blended-tiles.ts";
import type { OnStep } from "./denoise.ts";
import { denoiseInThreads } from "./denoise-in-threads.ts";
import { type Guidance, guidanceOf } from "./guidance.ts";
import { type Start, startSample } from "./start.ts";
import { type StepThreadOptions, convertsHalves, withStepThreads } from "./step-threads.ts";

/** What all jobs of an IF stage share. */
export interface IfStageOptions extends Guidance, StepThreadOptions, StartUp {
  /** A checkpoint with `unet/` and `scheduler/`. */
  readonly checkpoint: string;
  /** N, of each job. */
  readonly images: number;
  /** Of the images it makes, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Draw larger images than the network takes. @default whole images */
  readonly tiles?: StageTiles | undefined;
  /** Of how many parts of 77 tokens the embeddings are: L is so many times 77. @default 1 */
  readonly textParts?: number | undefined;
  /** Do the jobs bring a style beside their prompts? @default false */
  readonly styled?: boolean | undefined;
  readonly selection: TimestepSelection;
  readonly eta: number;
  readonly scheduler?: CreateSchedulerOptions;
  /** Merged into the UNet's weights. @default nothing */
  readonly lora?: LoraMerge | undefined;
  readonly settings: NetworkSettings;
}

export interface IfJob {
  readonly promptEmbeds: Tensor; // (prompts, L, D)
  readonly negativePromptEmbeds: Tensor; // (prompts, L, D)
  /** Given where the stage mixes a positive prompt in. */
  readonly positivePromptEmbeds?: Tensor; // (prompts, L, D)
  /** Given where the stage is styled: what is pooled into the time embedding in place of the prompt. */
  readonly styleEmbeds?: Tensor; // (prompts, L, D)
  readonly imagesPerPrompt: number;
  readonly start: Start;
  /** Read in the reference's order: the first noise, then a draw per step. */
  readonly generator: Generator | readonly Generator[];
  readonly onStep?: OnStep;
  /** After each tile of a step. */
  readonly onTile?: OnTile;
}

/** @returns (N, 3, H, W), about [-1, 1], not clamped. */
export type Draw<Job> = (job: Job) => Promise<Tensor>;

/** What a stage that enlarges adds to its network's input. */
export interface Enlarging<Job> {
  /** A timestep of the image_noising_scheduler, which the network is told. */
  readonly noiseLevel: number;
  /** @returns what is joined to the sample as further channels, in the sample's shape; draws from the job's generator. */
  readonly condition: (job: Job, shape: readonly number[]) => Tensor;
}

/**
 * Opens the UNet once and lets `use` draw as often as it wants; each drawing is what a run of its own would give.
 * @param enlarging absent: the stage draws from text alone.
 */
export async function withIfStage<Job extends IfJob, T>(
  options: IfStageOptions,
  use: (draw: Draw<Job>) => Promise<T>,
  enlarging?: Enlarging<Job>,
): Promise<T> {
  const { checkpoint, selection } = options;
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const description = await describeIfUnet(checkpoint, options, options.lora);
  return withStepThreads(options, (threads) =>
    withNetwork(description, { ...options.settings, narrowsImages: convertsHalves(options) }, async (network) => {
      await startUp(network, description, options);
      return use(async (job) => {
        const { generator, onStep, onTile, imagesPerPrompt } = job;
        const scheduler = await openScheduler(checkpoint, "scheduler", options.scheduler);
        const embeds = networkEmbeds(options, job, config.encoder_hid_dim);
        const style = options.styled ? networkEmbeds(options, styleOf(job), config.encoder_hid_dim) : undefined;
        const started = startSample(job.start, {
          scheduler,
          selection,
          prompts: job.promptEmbeds.shape[0] ?? 0,
          imagesPerPrompt,
          channels: enlarging ? config.in_channels / 2 : config.in_channels,
          generator,
        });
        const conditioning = enlarging?.condition(job, started.sample.shape);
        const feedsOf = (sample: Numbers, timestep: number): Record<string, Feed> => ({
          sample,
          timestep: perSample(timestep),
          encoder_hidden_states: embeds.data,
          ...(style ? { style_hidden_states: style.data } : {}),
          ...(enlarging ? { class_labels: perSample(enlarging.noiseLevel) } : {}),
        });
        const perSample = (value: number): Float32Array => new Float32Array(description.batch).fill(value);
        return denoiseInThreads({
          ...started,
          scheduler,
          ...threads,
          source: {
            checkpoint,
            selection,
            ...(options.scheduler ? { override: options.scheduler } : {}),
            ...(started.beginIndex === undefined ? {} : { beginIndex: started.beginIndex }),
          },
          ...guidanceOf(options),
          eta: options.eta,
          generator,
          predict: predictInTiles(
            ({ data }, timestep, into) => network(feedsOf(data, timestep), into),
            options.tiles,
            onTile,
          ),
          predictHalves:
            network.inHalves && (({ data }, timestep, into) => network.inHalves!(feedsOf(data, timestep), into)),
          ...(conditioning ? { conditioning } : {}),
          ...(onStep ? { onStep } : {}),
        });
      });
    }),
  );
}

/** The embeddings of the network's batch: one per image and, guided, the negative and the positive ones before them. */
function networkEmbeds(
  { checkpoint, ...guidance }: IfStageOptions,
  { promptEmbeds, negativePromptEmbeds, positivePromptEmbeds, imagesPerPrompt }: IfJob,
  width: number,
): Tensor {
  checkSameWidth("the prompt's embedding", promptEmbeds.shape[2] ?? 0, `what ${checkpoint} takes`, width);
  const texts = textsPerImage(guidance);
  if (texts === 1) return repeatInterleave(promptEmbeds, imagesPerPrompt);
  if (texts === 3 && !positivePromptEmbeds) throw new ShapeError("a positive prompt is mixed in, but none is embedded");
  const parts = [negativePromptEmbeds, ...(texts === 3 ? [positivePromptEmbeds!] : []), promptEmbeds];
  return concatBatch(parts.map((embeds) => repeatInterleave(embeds, imagesPerPrompt)));
}

/** The original's `timestep_text_emb`: guidance's other texts keep their own, the prompt's place is the style's. */
function styleOf(job: IfJob): IfJob {
  if (job.styleEmbeds) return { ...job, promptEmbeds: job.styleEmbeds };
  throw new ShapeError("the stage is styled, but no style is embedded");
}
