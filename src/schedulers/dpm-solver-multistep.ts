/**
 * @module schedulers/dpm-solver-multistep
 * DPM-Solver++: solves the diffusion ODE, or the SDE with fresh noise in each step, with a second-order multistep method;
 * 15 to 25 steps do.
 *
 * Source: Lu et al. 2022 (arXiv 2211.01095), algorithm 2 (2M, midpoint) and §5 (SDE); numbers are rounded to float32 where
 * diffusers' DPMSolverMultistepScheduler holds a float32 tensor.
 * Letters: α, σ, λ as in noise-levels; h = λ_next - λ_now.
 */

import type { Tensor } from "../math/tensor.ts";
import { createBetas, cumulateAlphas, noiseSigmas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { drawNoise, mix } from "./noise.ts";
import { levelOf, type NoiseLevel, spacedBeforeEnd, usableTimesteps } from "./noise-levels.ts";
import { predictOriginalSample, splitVariance, threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { createStepIndex } from "./step-index.ts";
import { selectTimesteps } from "./timesteps.ts";

const fround = Math.fround;

/** Below so many steps the last ones fall back to first order if the config has lower_order_final. */
const fewSteps = 15;

export function createDpmSolverMultistepScheduler(config: SchedulerConfig): Scheduler {
  const alphasCumprod = cumulateAlphas(createBetas(config));
  const trainSigmas = noiseSigmas(alphasCumprod);
  const end = usableTimesteps(config.lambdaMinClipped, alphasCumprod);
  const takesLearnedVariance = config.varianceType === "learned" || config.varianceType === "learned_range";
  const position = createStepIndex();
  let timesteps: readonly number[] = [];
  let sigmas: readonly number[] = []; // σ_t / α_t of each timestep, and of the end
  let lastOriginal: Tensor | undefined; // x_0 as seen one step ago

  /** First order in the first step, at an end without noise, and near the end of a short run. */
  function isFirstOrder(index: number): boolean {
    if (config.solverOrder === 1 || lastOriginal === undefined) return true;
    if (index < timesteps.length - 1) return false;
    return (
      config.eulerAtFinal ||
      (config.lowerOrderFinal && timesteps.length < fewSteps) ||
      config.finalSigmasType === "zero"
    );
  }

  return {
    config,
    order: 1,
    initNoiseSigma: 1,
    takesLearnedVariance,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      timesteps = selectTimesteps(selection, config, (count) => spacedBeforeEnd(config, end, count));
      sigmas = [...timesteps.map((t) => trainSigmas[t]!), config.finalSigmasType === "sigma_min" ? trainSigmas[0]! : 0];
      lastOriginal = undefined;
      position.reset(timesteps);
    },
    setBeginIndex: (index) => position.begin(index),
    scaleModelInput: (sample) => sample,

    step(modelOutput, timestep, sample, { generator }) {
      const index = position.current(timestep);
      const now = levelOf(sigmas[index]!);
      const next = levelOf(sigmas[index + 1]!);

      // 1. x_0 from the prediction, thresholded
      const prediction = takesLearnedVariance ? splitVariance(modelOutput, sample.shape).prediction : modelOutput;
      const original = predictOriginalSample(config.predictionType, prediction, sample, now.alpha, now.sigma);
      if (config.thresholding) threshold(config, original);

      // 2. the exact solution for a constant x_0, Lu et al. eq. 9 with k = 1
      const h = fround(next.lambda - now.lambda);
      const { sampleShare, originalShare, noiseShare } = sharesOf(config, now, next, h);
      const data = new Float32Array(sample.data.length);
      for (let i = 0; i < data.length; i++) {
        data[i] = fround(sampleShare * sample.data[i]!) - fround(originalShare * original.data[i]!);
      }

      // 3. x_0 does change: its slope from the last step, algorithm 2
      if (!isFirstOrder(index)) {
        const last = levelOf(sigmas[index - 1]!);
        const r = fround(fround(now.lambda - last.lambda) / h);
        addSlope(data, original, lastOriginal!, fround(1 / r), fround(0.5 * originalShare));
      }

      // 4. fresh noise, drawn in the last step too, where its share is 0
      if (noiseShare !== undefined) {
        const noise = drawNoise(sample.shape, generator).data;
        for (let i = 0; i < data.length; i++) data[i] = data[i]! + fround(noiseShare * noise[i]!);
      }
      lastOriginal = original;
      position.advance();
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise(original, noise, at) {
      const levels = position.forNoise(at).map((index) => levelOf(sigmas[index]!));
      return mix(original, noise, levels);
    },
  };
}

/** data ← data - share · (original - last) / r. */
function addSlope(data: Float32Array, original: Tensor, last: Tensor, inverseR: number, share: number): void {
  for (let i = 0; i < data.length; i++) {
    const slope = fround(inverseR * fround(original.data[i]! - last.data[i]!));
    data[i] = data[i]! - fround(share * slope);
  }
}

interface Shares {
  readonly sampleShare: number;
  /** Negative: it is subtracted. */
  readonly originalShare: number;
  /** Of the SDE only. */
  readonly noiseShare?: number;
}

/** What of sample, x_0 and fresh noise goes into the next sample; h is infinite where no noise is left. */
function sharesOf({ algorithmType }: SchedulerConfig, now: NoiseLevel, next: NoiseLevel, h: number): Shares {
  const kept = fround(next.sigma / now.sigma);
  const decay = fround(Math.exp(-h));
  if (algorithmType === "dpmsolver++") {
    return { sampleShare: kept, originalShare: fround(next.alpha * fround(decay - 1)) };
  }
  const gain = fround(1 - fround(Math.exp(-2 * h)));
  return {
    sampleShare: fround(kept * decay),
    originalShare: -fround(next.alpha * gain),
    noiseShare: fround(next.sigma * fround(Math.sqrt(gain))),
  };
}
