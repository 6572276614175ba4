/**
 * @module pipelines/start
 * What txt2img, img2img and inpainting change of a stage: where it starts. From noise; from an image with noise, part
 * of the way down; or that only inside a mask. Source: diffusers' IFPipeline, IFImg2ImgPipeline, IFInpaintingPipeline
 * `prepare_intermediate_images` and `get_timesteps`; less noise: `support_noise_less_qsample_steps` of the original
 * deep-floyd/IF.
 */

import { ShapeError, UsageError } from "../errors.ts";
import { blend, repeatInterleave } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import { drawNoise } from "../schedulers/noise.ts";
import type { Scheduler, TimestepSelection } from "../schedulers/scheduler.ts";
import { selectedSteps, startIndex } from "../schedulers/start-index.ts";

export type Start =
  | { readonly kind: "noise"; readonly height: number; readonly width: number }
  | {
      readonly kind: "image";
      /** (prompts or a part of them, 3, H, W) in [-1, 1]; each is for an equal share of the prompts, in order. */
      readonly pixels: Tensor;
      /** The share of the steps that is run, in [0, 1]: 1 keeps nothing of the image but, inpainting, what the mask keeps. */
      readonly strength: number;
      /** The image gets the noise of the timestep so many places after the first one; all are run. @default 0 */
      readonly lessNoiseSteps?: number;
      /** As many as images or 1, (1, H, W) each: 1 where it is repainted. */
      readonly mask?: Tensor;
    };

export interface Started {
  readonly timesteps: readonly number[];
  readonly sample: Tensor;
  /** One per sample, when inpainting. */
  readonly mask?: Tensor;
  /** Of the scheduler, where it was told to begin part-way. */
  readonly beginIndex?: number;
}

export interface StartOptions {
  readonly scheduler: Scheduler;
  readonly selection: TimestepSelection;
  /** Prompts, and images drawn for each. */
  readonly prompts: number;
  readonly imagesPerPrompt: number;
  /** Channels of the sample. */
  readonly channels: number;
  readonly generator: Generator | readonly Generator[];
}

/** Sets the scheduler's timesteps and draws the first sample: one draw of noise of the sample's shape. */
export function startSample(start: Start, options: StartOptions): Started {
  const { scheduler, selection, prompts, imagesPerPrompt, channels, generator } = options;
  scheduler.setTimesteps(selection);
  const batch = prompts * imagesPerPrompt;
  if (start.kind === "noise") {
    const noise = drawNoise([batch, channels, start.height, start.width], generator);
    return { timesteps: scheduler.timesteps, sample: scaleBy(noise, scheduler.initNoiseSigma) };
  }
  const timesteps = timestepsFrom(scheduler, selection, start.strength);
  const [images = 0, , height = 0, width = 0] = start.pixels.shape;
  if (!Number.isInteger(prompts / images)) throw new ShapeError(`${images} images for ${prompts} prompts`);
  const noise = drawNoise([batch, channels, height, width], generator);
  const pixels = repeatInterleave(start.pixels, batch / images);
  const noisedFor = timesteps[start.lessNoiseSteps ?? 0] ?? 0;
  const noised = scheduler.addNoise(
    pixels,
    noise,
    Array.from({ length: batch }, () => noisedFor),
  );
  const beginIndex = scheduler.timesteps.length - timesteps.length;
  if (!start.mask) return { timesteps, sample: noised, beginIndex };
  const mask = repeatInterleave(start.mask, batch / (start.mask.shape[0] ?? 1));
  return { timesteps, sample: blend(mask, pixels, noised), mask, beginIndex };
}

/** Tells the scheduler where the run begins. Returns the timesteps from there: the last `strength` share of the steps. */
function timestepsFrom(scheduler: Scheduler, selection: TimestepSelection, strength: number): readonly number[] {
  const begin = startIndex(scheduler, selection, strength);
  const timesteps = scheduler.timesteps.slice(begin);
  if (timesteps.length === 0) {
    throw new UsageError(
      `a strength of ${strength} leaves none of ${selectedSteps(selection)} steps to run; raise the strength or the steps.`,
    );
  }
  scheduler.setBeginIndex(begin);
  return timesteps;
}

function scaleBy(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : { data: x.data.map((value) => value * factor), shape: x.shape };
}
