/**
 * @module schedulers/ddpm
 * Denoising diffusion probabilistic models: each step subtracts predicted noise and adds a little fresh noise.
 *
 * Source: Ho et al. 2020 (arXiv 2006.11239) §2-3; learned variance: Nichol and Dhariwal 2021 (arXiv 2102.09672) eq. 15.
 * Numbers are rounded to float32 where diffusers' DDPMScheduler holds a float32 tensor.
 */

import { expToFloat32 } from "../math/exp.ts";
import type { Tensor } from "../math/tensor.ts";
import { weightedSum } from "../math/weighted-sum.ts";
import { createBetas, cumulateAlphas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { addNoiseAt, drawNoise } from "./noise.ts";
import { clip, predictOriginalSample, splitVariance, threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { indexOfTimestep, roundHalfEven, selectTimesteps, spacedTimesteps } from "./timesteps.ts";

const fround = Math.fround;

/** Variances are not allowed to be smaller: their logarithm is taken. */
const minVariance = fround(1e-20);

export function createDdpmScheduler(config: SchedulerConfig): Scheduler {
  const alphasCumprod = cumulateAlphas(createBetas(config));
  const takesLearnedVariance = config.varianceType === "learned" || config.varianceType === "learned_range";
  let timesteps: readonly number[] = [];

  return {
    config,
    order: 1,
    initNoiseSigma: 1,
    takesLearnedVariance,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      timesteps = selectTimesteps(selection, config, (count) => spacedTimesteps(config, count).map(roundHalfEven));
    },
    setBeginIndex() {
      // Nothing to remember: the timestep alone says where a step is.
    },
    scaleModelInput: (sample) => sample,

    step(modelOutput, timestep, sample, { generator }) {
      const { prediction, variance } = takesLearnedVariance
        ? splitVariance(modelOutput, sample.shape)
        : { prediction: modelOutput, variance: undefined };

      // 1. α_t and β_t of this step, which may skip training timesteps
      const previous = timesteps[indexOfTimestep(timesteps, timestep) + 1] ?? -1; // -1: x_0 itself
      const alphaProd = alphasCumprod[timestep]!;
      const alphaProdPrevious = previous >= 0 ? alphasCumprod[previous]! : 1;
      const betaProd = fround(1 - alphaProd);
      const betaProdPrevious = fround(1 - alphaProdPrevious);
      const currentAlpha = fround(alphaProd / alphaProdPrevious);
      const currentBeta = fround(1 - currentAlpha);

      // 2. x_0 from the prediction, Ho et al. eq. 15, kept in range
      const root = (value: number): number => fround(Math.sqrt(value));
      const original = predictOriginalSample(
        config.predictionType,
        prediction,
        sample,
        root(alphaProd),
        root(betaProd),
      );
      if (config.thresholding) threshold(config, original);
      else if (config.clipSample) clip(config, original);

      // 3. the mean of x_{t-1}, Ho et al. eq. 7
      const originalShare = fround(fround(root(alphaProdPrevious) * currentBeta) / betaProd);
      const sampleShare = fround(fround(root(currentAlpha) * betaProdPrevious) / betaProd);
      const data = weightedSum(originalShare, original.data, sampleShare, sample.data);

      // 4. fresh noise, except at the very end
      if (timestep > 0) {
        const noise = drawNoise(sample.shape, generator).data;
        // the variance of x_{t-1} given x_0, Ho et al. eq. 7
        const posterior = Math.max(fround(fround(betaProdPrevious / betaProd) * currentBeta), minVariance);
        addVariance(config.varianceType, data, noise, posterior, currentBeta, variance);
      }
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise: (original, noise, at) => addNoiseAt(alphasCumprod, original, noise, at),
  };
}

/**
 * data ← data + standard deviation · noise.
 * @param posterior the smallest sensible variance; `beta` the largest.
 * @param predicted the model's variance output, for the learned types.
 */
function addVariance(
  type: SchedulerConfig["varianceType"],
  data: Float32Array,
  noise: Float32Array,
  posterior: number,
  beta: number,
  predicted: Tensor | undefined,
): void {
  if (predicted === undefined) {
    // The _log types name the same variance: fixed_large_log would be NaN if taken as diffusers takes it.
    const deviation = fround(Math.sqrt(type === "fixed_large" || type === "fixed_large_log" ? beta : posterior));
    for (let i = 0; i < data.length; i++) data[i] = data[i]! + fround(deviation * noise[i]!);
    return;
  }
  const v = predicted.data;
  if (type === "learned") {
    for (let i = 0; i < data.length; i++) data[i] = data[i]! + fround(fround(Math.sqrt(v[i]!)) * noise[i]!);
    return;
  }
  // learned_range: v in [-1, 1] lies between the two logarithms, Nichol and Dhariwal eq. 15
  const minLog = fround(Math.log(posterior));
  const maxLog = fround(Math.log(beta));
  for (let i = 0; i < data.length; i++) {
    const share = fround(fround(v[i]! + 1) / 2);
    const logVariance = fround(fround(share * maxLog) + fround(fround(1 - share) * minLog));
    data[i] = data[i]! + fround(expToFloat32(0.5 * logVariance) * noise[i]!);
  }
}
