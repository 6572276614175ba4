/**
 * @module schedulers/heun-discrete
 * Heun's method along the diffusion ODE: each step is tried with Euler, then repeated with the mean of both slopes, so the
 * model runs twice per step except for the last.
 *
 * Source: Karras et al. 2022 (arXiv 2206.00364), algorithm 1; numbers are rounded to float32 where diffusers'
 * HeunDiscreteScheduler holds a float32 tensor.
 */

import type { Tensor } from "../math/tensor.ts";
import { createBetas, cumulateAlphas, noiseSigmas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { mix } from "./noise.ts";
import { clip, threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { initialSigma, originalFromScaled, scaleToUnit, sigmasAt } from "./sigmas.ts";
import { createStepIndex } from "./step-index.ts";
import { selectTimesteps, spacedTimesteps } from "./timesteps.ts";

const fround = Math.fround;

/** What the first half of a step leaves for the second. */
interface Trial {
  readonly sample: Tensor;
  readonly slope: Float32Array;
  readonly distance: number;
}

export function createHeunDiscreteScheduler(config: SchedulerConfig): Scheduler {
  const trainSigmas = noiseSigmas(cumulateAlphas(createBetas(config)));
  const position = createStepIndex();
  let timesteps: readonly number[] = [];
  let sigmas: readonly number[] = []; // of each timestep, and of the end; all but first and end are there twice
  let trial: Trial | undefined;

  return {
    config,
    order: 2,
    get initNoiseSigma() {
      return initialSigma(config, sigmas);
    },
    takesLearnedVariance: false,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      const once = selectTimesteps(selection, config, (count) => spacedTimesteps(config, count).map(fround));
      timesteps = twiceAfterFirst(once);
      sigmas = [...twiceAfterFirst(sigmasAt(trainSigmas, once)), 0];
      trial = undefined;
      position.reset(timesteps);
    },
    setBeginIndex: (index) => position.begin(index),
    scaleModelInput: (sample, timestep) => scaleToUnit(sample, sigmas[position.current(timestep)]!),

    step(modelOutput, timestep, sample) {
      const index = position.current(timestep);
      const sigma = sigmas[index]!; // of `sample`: in the second half that is the end of the step

      // 1. x_0 from the prediction
      const original = originalFromScaled(config.predictionType, modelOutput, sample, sigma);
      if (config.thresholding && config.useClippedModelOutput) threshold(config, original);
      else if (config.clipSample) clip(config, original);

      // 2. the slope here, Karras et al. eq. 3 with σ(t) = t
      let slope = sample.data.map((x, i) => fround(x - original.data[i]!) / sigma);
      let start = sample;
      let distance: number;
      if (trial === undefined) {
        // 3a. Euler's step, algorithm 1 line 5
        distance = fround(sigmas[index + 1]! - sigma);
        trial = { sample, slope, distance };
      } else {
        // 3b. from the same start again, with the mean of both slopes, algorithm 1 line 8
        const first = trial;
        slope = slope.map((here, i) => fround(first.slope[i]! + here) / 2);
        start = first.sample;
        distance = first.distance;
        trial = undefined;
      }
      const data = start.data.map((x, i) => x + fround(slope[i]! * distance));
      position.advance();
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise(original, noise, at) {
      const levels = position.forNoise(at).map((index) => ({ alpha: 1, sigma: sigmas[index]! }));
      return mix(original, noise, levels);
    },
  };
}

function twiceAfterFirst(values: readonly number[]): number[] {
  return values.flatMap((value, i) => (i === 0 ? [value] : [value, value]));
}
