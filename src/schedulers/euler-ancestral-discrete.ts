/**
 * @module schedulers/euler-ancestral-discrete
 * Ancestral sampling with Euler steps: each goes below the next noise level and adds fresh noise up to it, with samples
 * scaled so that x_σ = x_0 + σ · noise.
 *
 * Source: the ancestral step of Song et al. 2020 (arXiv 2011.13456) eq. 46-47 in the σ of Karras et al. 2022 (arXiv
 * 2206.00364); numbers are rounded to float32 where diffusers' EulerAncestralDiscreteScheduler holds a float32 tensor.
 */

import { createBetas, cumulateAlphas, noiseSigmas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { drawNoise, mix } from "./noise.ts";
import { threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { initialSigma, originalFromScaled, scaleToUnit, sigmasAt } from "./sigmas.ts";
import { createStepIndex } from "./step-index.ts";
import { selectTimesteps, spacedTimesteps } from "./timesteps.ts";

const fround = Math.fround;
const square = (value: number): number => fround(value * value);
const root = (value: number): number => fround(Math.sqrt(value));

export function createEulerAncestralDiscreteScheduler(config: SchedulerConfig): Scheduler {
  const trainSigmas = noiseSigmas(cumulateAlphas(createBetas(config)));
  const position = createStepIndex();
  let timesteps: readonly number[] = [];
  let sigmas: readonly number[] = []; // of each timestep, and of the end

  return {
    config,
    order: 1,
    get initNoiseSigma() {
      return initialSigma(config, sigmas);
    },
    takesLearnedVariance: false,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      timesteps = selectTimesteps(selection, config, (count) => spacedTimesteps(config, count).map(fround));
      sigmas = [...sigmasAt(trainSigmas, timesteps), 0];
      position.reset(timesteps);
    },
    setBeginIndex: (index) => position.begin(index),
    scaleModelInput: (sample, timestep) => scaleToUnit(sample, sigmas[position.current(timestep)]!),

    step(modelOutput, timestep, sample, { generator }) {
      const index = position.current(timestep);
      const sigma = sigmas[index]!;

      // 1. x_0 from the prediction
      const original = originalFromScaled(config.predictionType, modelOutput, sample, sigma);
      if (config.thresholding && config.useClippedModelOutput) threshold(config, original);

      // 2. along dx/dσ = (x - x_0) / σ to the level below, then fresh noise: down² + up² = σ of the next level, squared
      const { down, up } = ancestralLevels(sigma, sigmas[index + 1]!);
      const distance = fround(down - sigma);
      const noise = drawNoise(sample.shape, generator).data; // drawn in the last step too, where its share is 0
      const data = sample.data.map((x, i) => {
        const mean = fround(x + fround(fround(fround(x - original.data[i]!) / sigma) * distance));
        return mean + fround(noise[i]! * up);
      });
      position.advance();
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise(original, noise, at) {
      const levels = position.forNoise(at).map((index) => ({ alpha: 1, sigma: sigmas[index]! }));
      return mix(original, noise, levels);
    },
  };
}

/**
 * @returns the level to step down to from `from`, to² / from, and the noise that leads up to `to` again. Written as the
 * reference computes it, but where float32 leaves less than nothing of to² - up², which would be NaN there.
 */
function ancestralLevels(from: number, to: number): { down: number; up: number } {
  const difference = fround(square(from) - square(to));
  const up = root(fround(fround(square(to) * difference) / square(from)));
  const downSquared = fround(square(to) - square(up));
  return { down: downSquared < 0 ? fround(square(to) / from) : root(downSquared), up };
}
