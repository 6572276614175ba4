/**
 * @module pipelines/stage-1
 * Text (and a start picture, and a mask) -> pictures of 64 pixels: IFPipeline, IFImg2ImgPipeline, IFInpaintingPipeline.
 *
 * Letters: N pictures = prompts · pictures per prompt, L tokens, D width of T5, H and W sides.
 */

import { join } from "node:path";
import { concatBatch, repeatInterleave } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import type { TimestepSelection } from "../schedulers/scheduler.ts";
import type { CreateSchedulerOptions } from "../schedulers/create-scheduler.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { type NetworkSettings, checkSameWidth, openScheduler, withIfUnet } from "../networks/components.ts";
import { type StepEvent, denoise } from "./denoise.ts";
import { isGuided } from "./guidance.ts";
import { type Start, startSample } from "./start.ts";

export interface IfStageOptions {
  /** A checkpoint with `unet/` and `scheduler/`. */
  readonly checkpoint: string;
  readonly promptEmbeds: Tensor; // (prompts, L, D)
  readonly negativePromptEmbeds: Tensor; // (prompts, L, D)
  readonly imagesPerPrompt: number;
  readonly start: Start;
  readonly selection: TimestepSelection;
  readonly guidanceScale: number;
  readonly eta: number;
  /** Read in the reference's order: the first noise, then a draw per step. */
  readonly generator: Generator | readonly Generator[];
  readonly scheduler?: CreateSchedulerOptions;
  readonly settings: NetworkSettings;
  readonly onStep?: (event: StepEvent) => void;
}

/** @returns (N, 3, H, W), about [-1, 1], not clamped. */
export async function runStage1(options: IfStageOptions): Promise<Tensor> {
  const { checkpoint, imagesPerPrompt, guidanceScale, generator, eta } = options;
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const scheduler = await openScheduler(checkpoint, "scheduler", options.scheduler);
  const embeds = networkEmbeds(options, config.encoder_hid_dim);
  const started = startSample(options.start, {
    scheduler,
    selection: options.selection,
    prompts: options.promptEmbeds.shape[0] ?? 0,
    imagesPerPrompt,
    channels: config.in_channels,
    generator,
  });
  const [, , height = 0, width = 0] = started.sample.shape;
  const [batch = 0, textLength = 0] = embeds.shape;
  return withIfUnet(checkpoint, { batch, height, width, textLength }, options.settings, (network) =>
    denoise({
      ...started,
      scheduler,
      guidanceScale,
      eta,
      generator,
      predict: (modelInput, timestep) =>
        network({
          sample: modelInput.data,
          timestep: new Float32Array(batch).fill(timestep),
          encoder_hidden_states: embeds.data,
        }),
      ...(options.onStep ? { onStep: options.onStep } : {}),
    }),
  );
}

/** The embeddings of the network's batch: one per picture and, guided, the negative ones before them. */
export function networkEmbeds(
  options: Pick<
    IfStageOptions,
    "checkpoint" | "promptEmbeds" | "negativePromptEmbeds" | "imagesPerPrompt" | "guidanceScale"
  >,
  width: number,
): Tensor {
  checkSameWidth(
    "the prompt's embedding",
    options.promptEmbeds.shape[2] ?? 0,
    `what ${options.checkpoint} takes`,
    width,
  );
  const positive = repeatInterleave(options.promptEmbeds, options.imagesPerPrompt);
  if (!isGuided(options.guidanceScale)) return positive;
  return concatBatch([repeatInterleave(options.negativePromptEmbeds, options.imagesPerPrompt), positive]);
}
