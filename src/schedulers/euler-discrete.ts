/**
 * @module schedulers/euler-discrete
 * Euler's method along the diffusion ODE, with samples scaled so that x_σ = x_0 + σ · noise.
 *
 * Source: Karras et al. 2022 (arXiv 2206.00364), algorithm 2 without churn; numbers are rounded to float32 where diffusers'
 * EulerDiscreteScheduler holds a float32 tensor.
 */

import { createBetas, cumulateAlphas, noiseSigmas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { mix } from "./noise.ts";
import { threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { initialSigma, originalFromScaled, scaleToUnit, sigmasAt } from "./sigmas.ts";
import { createStepIndex } from "./step-index.ts";
import { selectTimesteps, spacedTimesteps } from "./timesteps.ts";

const fround = Math.fround;

export function createEulerDiscreteScheduler(config: SchedulerConfig): Scheduler {
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
      sigmas = [...sigmasAt(trainSigmas, timesteps), config.finalSigmasType === "sigma_min" ? trainSigmas[0]! : 0];
      position.reset(timesteps);
    },
    setBeginIndex: (index) => position.begin(index),
    scaleModelInput: (sample, timestep) => scaleToUnit(sample, sigmas[position.current(timestep)]!),

    step(modelOutput, timestep, sample) {
      const index = position.current(timestep);
      const sigma = sigmas[index]!;

      // 1. x_0 from the prediction
      const original = originalFromScaled(config.predictionType, modelOutput, sample, sigma);
      if (config.thresholding && config.useClippedModelOutput) threshold(config, original);

      // 2. along dx/dσ = (x - x_0) / σ to the next noise level, Karras et al. eq. 3 with σ(t) = t
      const distance = fround(sigmas[index + 1]! - sigma);
      const data = sample.data.map((x, i) => x + fround(fround(fround(x - original.data[i]!) / sigma) * distance));
      position.advance();
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise(original, noise, at) {
      const levels = position.forNoise(at).map((index) => ({ alpha: 1, sigma: sigmas[index]! }));
      return mix(original, noise, levels);
    },
  };
}
