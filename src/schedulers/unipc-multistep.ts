/**
 * @module schedulers/unipc-multistep
 * UniPC: a multistep predictor, whose last result is corrected with each new prediction at no further call of the network;
 * 5 to 20 steps do.
 *
 * Source: Zhao et al. 2023 (arXiv 2302.04867), algorithms 5-8 (x_0 prediction, B(h)); numbers are rounded to float32 where
 * diffusers' UniPCMultistepScheduler holds a float32 tensor.
 * Letters: α, σ, λ as in noise-levels; h = λ_next - λ_now; r = (λ_last - λ_now) / h, negative; D = (x_0,last - x_0) / r.
 */

import type { Tensor } from "../math/tensor.ts";
import { createBetas, cumulateAlphas, noiseSigmas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { mix } from "./noise.ts";
import { levelOf, type NoiseLevel, spacedBeforeEnd } from "./noise-levels.ts";
import { predictOriginalSample, threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { createStepIndex } from "./step-index.ts";
import { selectTimesteps } from "./timesteps.ts";

const fround = Math.fround;

/** What a step leaves for the correction in the next one. */
interface LastStep {
  readonly sample: Tensor;
  readonly original: Tensor;
  /** x_0 one step earlier still; absent where the step was of first order. */
  readonly earlier: Tensor | undefined;
}

export function createUniPcMultistepScheduler(config: SchedulerConfig): Scheduler {
  const trainSigmas = noiseSigmas(cumulateAlphas(createBetas(config)));
  const position = createStepIndex();
  let timesteps: readonly number[] = [];
  let sigmas: readonly number[] = []; // σ_t / α_t of each timestep, and of the end
  let last: LastStep | undefined;
  const levelAt = (index: number): NoiseLevel => levelOf(sigmas[index]!);

  /** First order in the first step, and in the last one: there is nothing to extrapolate to where no noise is left. */
  function isFirstOrder(index: number): boolean {
    if (config.solverOrder === 1 || last === undefined) return true;
    return index === timesteps.length - 1 && (config.lowerOrderFinal || config.finalSigmasType === "zero");
  }

  return {
    config,
    order: 1,
    initNoiseSigma: 1,
    takesLearnedVariance: false,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      const { numTrainTimesteps, finalSigmasType } = config;
      timesteps = selectTimesteps(selection, config, (count) => spacedBeforeEnd(config, numTrainTimesteps, count));
      sigmas = [...timesteps.map((t) => trainSigmas[t]!), finalSigmasType === "sigma_min" ? trainSigmas[0]! : 0];
      last = undefined;
      position.reset(timesteps);
    },
    setBeginIndex: (index) => position.begin(index),
    scaleModelInput: (sample) => sample,

    step(modelOutput, timestep, sample) {
      const index = position.current(timestep);
      const [now, next] = [levelAt(index), levelAt(index + 1)];

      // 1. x_0 from the prediction, thresholded
      const original = predictOriginalSample(config.predictionType, modelOutput, sample, now.alpha, now.sigma);
      if (config.thresholding) threshold(config, original);

      // 2. UniC: the last step once more, now that x_0 at its end is known
      let start = sample;
      if (last !== undefined && !config.disableCorrector.includes(index - 1)) {
        const before = levelAt(index - 1);
        const update = createUpdate(config, before, now);
        const slope = last.earlier && slopeOf(last.original, last.earlier, update.ratioTo(levelAt(index - 2)));
        start = correct(update, last, original, slope);
      }

      // 3. UniP: on to the next noise level
      const update = createUpdate(config, now, next);
      const earlier = isFirstOrder(index) ? undefined : last?.original;
      const slope = earlier && slopeOf(original, earlier, update.ratioTo(levelAt(index - 1)));
      const data = update.firstOrder(start, original);
      if (slope) addCorrection(data, update.correctionShare, slope.values, 0.5);
      last = { sample: start, original, earlier };
      position.advance();
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise(original, noise, at) {
      const levels = position.forNoise(at).map(levelAt);
      return mix(original, noise, levels);
    },
  };
}

interface Slope {
  readonly values: Float32Array;
  readonly ratio: number;
}

interface Update {
  /** r: how far back another level lies, in steps. */
  ratioTo(level: NoiseLevel): number;
  /** The exact solution for a constant x_0. */
  firstOrder(sample: Tensor, original: Tensor): Float32Array;
  /** α · B(h): what corrections are multiplied with before they are subtracted. */
  readonly correctionShare: number;
  /** The right-hand sides of the conditions of first and second order. */
  readonly conditions: readonly [number, number];
}

/** What depends on the two noise levels of a step alone. */
function createUpdate(config: SchedulerConfig, from: NoiseLevel, to: NoiseLevel): Update {
  const h = fround(to.lambda - from.lambda);
  const phi1 = fround(Math.expm1(-h));
  const b = config.solverType === "bh1" ? -h : phi1;
  const phi2 = fround(fround(phi1 / -h) - 1);
  const phi3 = fround(fround(phi2 / -h) - 0.5);
  const [sampleShare, originalShare] = [fround(to.sigma / from.sigma), fround(to.alpha * phi1)];
  return {
    ratioTo: (level) => fround(fround(level.lambda - from.lambda) / h),
    firstOrder: (sample, original) =>
      sample.data.map((x, i) => fround(sampleShare * x) - fround(originalShare * original.data[i]!)),
    correctionShare: fround(to.alpha * b),
    conditions: [fround(phi2 / b), fround(fround(phi3 * 2) / b)],
  };
}

function slopeOf(original: Tensor, earlier: Tensor, ratio: number): Slope {
  return { ratio, values: original.data.map((x, i) => fround(earlier.data[i]! - x) / ratio) };
}

/** The step that led here, with x_0 at its end: ρ solves ρ₁ + ρ₂ = b₁, r·ρ₁ + ρ₂ = b₂; of first order ρ₂ is 1/2. */
function correct(update: Update, last: LastStep, original: Tensor, slope: Slope | undefined): Tensor {
  const data = update.firstOrder(last.sample, last.original);
  const [b1, b2] = update.conditions;
  const rho1 = slope ? fround((b2 - b1) / (slope.ratio - 1)) : 0;
  const rho2 = slope ? fround(b1 - rho1) : 0.5;
  const change = original.data.map((x, i) => {
    const here = fround(rho2 * fround(x - last.original.data[i]!));
    return slope ? fround(rho1 * slope.values[i]!) + here : here;
  });
  addCorrection(data, update.correctionShare, change, 1);
  return { data, shape: original.shape };
}

/** data ← data - share · (weight · values). */
function addCorrection(data: Float32Array, share: number, values: Float32Array, weight: number): void {
  for (let i = 0; i < data.length; i++) data[i] = data[i]! - fround(share * fround(weight * values[i]!));
}
