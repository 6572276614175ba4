/**
 * @module pipelines/stage-1
 * Text (and a start image, and a mask) -> images of 64 pixels: IFPipeline, IFImg2ImgPipeline, IFInpaintingPipeline.
 *
 * Letters: N images = prompts · images per prompt, L tokens, D width of T5, H and W sides.
 */

import { join } from "node:path";
import { concatBatch, repeatInterleave } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { checkSameWidth } from "../networks/description.ts";
import { describeIfUnet } from "../networks/if-unet.ts";
import { type NetworkSettings, withNetwork } from "../networks/open-network.ts";
import { warmUp } from "../networks/warm-up.ts";
import { isGuided } from "../plan/plan.ts";
import type { CreateSchedulerOptions } from "../schedulers/create-scheduler.ts";
import type { TimestepSelection } from "../schedulers/scheduler.ts";
import { type StepEvent, denoise } from "./denoise.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import { type Start, startSample } from "./start.ts";

/** What all jobs of an IF stage share. */
export interface IfStageOptions {
  /** A checkpoint with `unet/` and `scheduler/`. */
  readonly checkpoint: string;
  /** N, of each job. */
  readonly images: number;
  /** Of the images it makes, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly selection: TimestepSelection;
  readonly guidanceScale: number;
  readonly eta: number;
  readonly scheduler?: CreateSchedulerOptions;
  readonly settings: NetworkSettings;
  /** Run the network once on zeros before `use`: a GPU's kernels are chosen at the first step. @default false */
  readonly warmUp?: boolean;
}

export interface IfJob {
  readonly promptEmbeds: Tensor; // (prompts, L, D)
  readonly negativePromptEmbeds: Tensor; // (prompts, L, D)
  readonly imagesPerPrompt: number;
  readonly start: Start;
  /** Read in the reference's order: the first noise, then a draw per step. */
  readonly generator: Generator | readonly Generator[];
  readonly onStep?: (event: StepEvent) => void;
}

/** @returns (N, 3, H, W), about [-1, 1], not clamped. */
export type Draw<Job> = (job: Job) => Promise<Tensor>;

/** Opens the UNet once and lets `use` draw as often as it wants; each drawing is what a run of its own would give. */
export async function withStage1<T>(options: IfStageOptions, use: (draw: Draw<IfJob>) => Promise<T>): Promise<T> {
  const { checkpoint, guidanceScale, eta, selection } = options;
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const description = await describeIfUnet(checkpoint, options);
  return withNetwork(description, options.settings, async (network) => {
    if (options.warmUp) await warmUp(network, description);
    return use(async ({ generator, onStep, ...job }) => {
      const scheduler = await openScheduler(checkpoint, "scheduler", options.scheduler);
      const embeds = networkEmbeds(checkpoint, guidanceScale, job, config.encoder_hid_dim);
      const started = startSample(job.start, {
        scheduler,
        selection,
        prompts: job.promptEmbeds.shape[0] ?? 0,
        imagesPerPrompt: job.imagesPerPrompt,
        channels: config.in_channels,
        generator,
      });
      return denoise({
        ...started,
        scheduler,
        guidanceScale,
        eta,
        generator,
        predict: (modelInput, timestep) =>
          network({
            sample: modelInput.data,
            timestep: new Float32Array(description.batch).fill(timestep),
            encoder_hidden_states: embeds.data,
          }),
        ...(onStep ? { onStep } : {}),
      });
    });
  });
}

/** The embeddings of the network's batch: one per image and, guided, the negative ones before them. */
export function networkEmbeds(
  checkpoint: string,
  guidanceScale: number,
  { promptEmbeds, negativePromptEmbeds, imagesPerPrompt }: Omit<IfJob, "generator" | "start">,
  width: number,
): Tensor {
  checkSameWidth("the prompt's embedding", promptEmbeds.shape[2] ?? 0, `what ${checkpoint} takes`, width);
  const positive = repeatInterleave(promptEmbeds, imagesPerPrompt);
  if (!isGuided(guidanceScale)) return positive;
  return concatBatch([repeatInterleave(negativePromptEmbeds, imagesPerPrompt), positive]);
}
