/**
 * @module pipelines/denoise
 * The loop all diffusion stages share: join, predict, guide, step. Source: Ho et al. 2020 (arXiv 2006.11239) alg. 2,
 * with the order of operations of diffusers' IF pipelines.
 */

import { blend } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Numbers, Tensor } from "../math/tensor.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { textsPerImage } from "../plan/plan.ts";
import { type Guidance, applyGuidance, dropVariance } from "./guidance.ts";
import { modelInput } from "./model-input.ts";

/** After each step; its tensors may be made when they are read, during the call. `sample` is (B, C, H, W) and must not be written to. */
export interface StepEvent {
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
  readonly sample: Tensor;
  /** x_0 as the network sees it now, (B, C, H, W). */
  readonly predOriginalSample: Tensor;
}

/** What it returns is awaited before the next step. */
export type OnStep = (event: StepEvent) => unknown;

/**
 * The network: (M·B, C + D, H, W), valid during the call, at a timestep -> (M·B, C or 2C, H, W), for M texts per image; in `into`
 * where that can be.
 */
export type Predict<Data extends Numbers = Float32Array> = (
  modelInput: Tensor<Data>,
  timestep: number,
  into?: Data,
) => Promise<Tensor<Data>>;

export interface DenoiseOptions extends Guidance {
  readonly scheduler: Scheduler;
  /** Those of the scheduler's that are left to run: all of them, or from where an image is the start. */
  readonly timesteps: readonly number[];
  /** x_T, (B, C, H, W). */
  readonly sample: Tensor;
  /** Joined to the sample as further channels, (B, D, H, W): the image that is enlarged. */
  readonly conditioning?: Tensor;
  /** (B, 1, H, W), 1 where the image is repainted; elsewhere the sample stays as it was. */
  readonly mask?: Tensor;
  /** DDIM's η; other schedulers ignore it. */
  readonly eta: number;
  readonly generator: Generator | readonly Generator[];
  readonly predict: Predict;
  readonly onStep?: OnStep;
}

/** @returns x_0, (B, C, H, W), not clamped. */
export async function denoise(options: DenoiseOptions): Promise<Tensor> {
  const texts = textsPerImage(options);
  const { sample, conditioning } = options;
  const joins = texts > 1 || conditioning !== undefined;
  const join = joins ? modelInput<Float32Array>(sample.shape, conditioning, texts, Float32Array) : undefined;
  let answer: Float32Array | undefined; // one for all steps, where guidance makes another of it
  return takeSteps(options, async (scaled, timestep) => {
    const predicted = await options.predict(join?.(scaled) ?? scaled, timestep, answer);
    if (texts > 1) answer = predicted.data;
    return predicted;
  });
}

/** What the steps need besides the network. */
export type StepOptions = Omit<DenoiseOptions, "conditioning" | "predict">;

/**
 * The loop itself.
 * @param predict what `scaleModelInput` gave, (B, C, H, W), at a timestep -> (M·B, C or 2C, H, W).
 * @returns x_0, (B, C, H, W), not clamped.
 */
export async function takeSteps(options: StepOptions, predict: Predict): Promise<Tensor> {
  const { scheduler, timesteps, mask, generator, eta } = options;
  const texts = textsPerImage(options);
  const steps = timesteps.length;
  const channels = options.sample.shape[1] ?? 0;
  let sample = options.sample;
  for (const [step, timestep] of timesteps.entries()) {
    const predicted = await predict(scheduler.scaleModelInput(sample, timestep), timestep);
    const guided = texts === 1 ? predicted : applyGuidance(predicted, options, channels, { step, steps });
    const modelOutput = scheduler.takesLearnedVariance ? guided : dropVariance(guided, channels);
    const { prevSample, predOriginalSample } = scheduler.step(modelOutput, timestep, sample, { generator, eta });
    sample = mask ? blend(mask, sample, prevSample) : prevSample;
    await options.onStep?.({ step: step + 1, steps, timestep, sample, predOriginalSample });
  }
  return sample;
}
