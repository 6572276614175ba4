/**
 * @module schedulers/dpm-solver-multistep
 * DPM-Solver++: solves the diffusion ODE with a second-order multistep method; 15 to 25 steps do.
 *
 * Source: Lu et al. 2022 (arXiv 2211.01095), algorithm 2 (2M, midpoint); numbers are rounded to float32 where diffusers'
 * DPMSolverMultistepScheduler holds a float32 tensor.
 * Letters: α_t, σ_t with x_t = α_t · x_0 + σ_t · noise; λ_t = log(α_t / σ_t), half the log signal-to-noise ratio.
 */

import type { Tensor } from "../math/tensor.ts";
import { createBetas, cumulateAlphas, noiseSigmas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { mix } from "./noise.ts";
import { predictOriginalSample, splitVariance, threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { createStepIndex } from "./step-index.ts";
import { linspace, roundHalfEven, selectTimesteps, trailing } from "./timesteps.ts";

const fround = Math.fround;

/** Below so many steps the last ones fall back to first order if the config has lower_order_final. */
const fewSteps = 15;

export function createDpmSolverMultistepScheduler(config: SchedulerConfig): Scheduler {
  const alphasCumprod = cumulateAlphas(createBetas(config));
  const trainSigmas = noiseSigmas(alphasCumprod);
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
    acceptsEta: false,
    takesLearnedVariance,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      timesteps = selectTimesteps(selection, config, (count) => spaced(config, alphasCumprod, count));
      const end = config.finalSigmasType === "sigma_min" ? trainSigmas[0]! : 0;
      sigmas = [...timesteps.map((t) => trainSigmas[t]!), end];
      lastOriginal = undefined;
      position.reset(timesteps);
    },
    setBeginIndex: (index) => position.begin(index),
    scaleModelInput: (sample) => sample,

    step(modelOutput, timestep, sample) {
      const index = position.current(timestep);
      const now = levelOf(sigmas[index]!);
      const next = levelOf(sigmas[index + 1]!);

      // 1. x_0 from the prediction, thresholded
      const prediction = takesLearnedVariance ? splitVariance(modelOutput, sample.shape).prediction : modelOutput;
      const original = predictOriginalSample(config.predictionType, prediction, sample, now.alpha, now.sigma);
      if (config.thresholding) threshold(config, original);

      // 2. the exact solution for a constant x_0, Lu et al. eq. 9 with k = 1
      const h = fround(next.lambda - now.lambda);
      const sampleShare = fround(next.sigma / now.sigma);
      const originalShare = fround(next.alpha * fround(fround(Math.exp(-h)) - 1));
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
      lastOriginal = original;
      position.advance();
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise(original, noise, at) {
      const levels = position.forNoise(at).map((index) => levelOf(sigmas[index]!));
      return mix(
        original,
        noise,
        levels.map(({ alpha }) => alpha),
        levels.map(({ sigma }) => sigma),
      );
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

/** α, σ and λ from σ/α, each in float32. */
function levelOf(ratio: number): { alpha: number; sigma: number; lambda: number } {
  const alpha = fround(1 / fround(Math.sqrt(fround(fround(ratio * ratio) + 1))));
  const sigma = fround(ratio * alpha);
  return { alpha, sigma, lambda: fround(fround(Math.log(alpha)) - fround(Math.log(sigma))) };
}

/** Evenly spaced like the other schedulers', but over one step more, whose end is the finished picture. */
function spaced(config: SchedulerConfig, alphasCumprod: Float32Array, count: number): number[] {
  const end = usableTimesteps(config, alphasCumprod);
  switch (config.timestepSpacing) {
    case "linspace":
      return linspace(end - 1, count + 1)
        .map(roundHalfEven)
        .toReversed()
        .slice(0, -1);
    case "leading": {
      const ratio = Math.floor(end / (count + 1));
      return Array.from({ length: count }, (_, i) => (count - i) * ratio + config.stepsOffset);
    }
    case "trailing":
      return trailing(end, config.numTrainTimesteps / count, count);
  }
}

/** How many timesteps have λ ≥ lambda_min_clipped: the noisiest of a cosine schedule carry nothing but rounding errors. */
function usableTimesteps(config: SchedulerConfig, alphasCumprod: Float32Array): number {
  const { lambdaMinClipped } = config;
  if (lambdaMinClipped === null) return alphasCumprod.length;
  const lambda = (alphaProd: number): number =>
    fround(fround(Math.log(fround(Math.sqrt(alphaProd)))) - fround(Math.log(fround(Math.sqrt(fround(1 - alphaProd))))));
  return alphasCumprod.filter((alphaProd) => lambda(alphaProd) >= lambdaMinClipped).length;
}
