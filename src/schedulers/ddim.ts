/**
 * @module schedulers/ddim
 * Denoising diffusion implicit models: DDPM's noise schedule without its fresh noise, so fewer steps do.
 *
 * Source: Song et al. 2020 (arXiv 2010.02502) §4; numbers are rounded to float32 where diffusers' DDIMScheduler holds a
 * float32 tensor.
 */

import type { Tensor } from "../math/tensor.ts";
import { weightedSum } from "../math/weighted-sum.ts";
import { createBetas, cumulateAlphas } from "./betas.ts";
import type { SchedulerConfig } from "./config.ts";
import { addNoiseAt, drawNoise } from "./noise.ts";
import { clip, predictOriginalSample, threshold } from "./original-sample.ts";
import type { Scheduler } from "./scheduler.ts";
import { indexOfTimestep, roundHalfEven, selectTimesteps, spacedTimesteps } from "./timesteps.ts";

const fround = Math.fround;
const root = (value: number): number => fround(Math.sqrt(value));

export function createDdimScheduler(config: SchedulerConfig): Scheduler {
  const alphasCumprod = cumulateAlphas(createBetas(config));
  const finalAlpha = config.setAlphaToOne ? 1 : alphasCumprod[0]!;
  let timesteps: readonly number[] = [];
  let listed = false;

  return {
    config,
    order: 1,
    initNoiseSigma: 1,
    takesLearnedVariance: false,
    get timesteps() {
      return timesteps;
    },
    setTimesteps(selection) {
      listed = "timesteps" in selection;
      timesteps = selectTimesteps(selection, config, (count) => spacedTimesteps(config, count).map(roundHalfEven));
    },
    setBeginIndex() {
      // Nothing to remember: the timestep alone says where a step is.
    },
    scaleModelInput: (sample) => sample,

    step(modelOutput, timestep, sample, { generator, eta = 0 }) {
      // 1. ᾱ now and after the step; the paper's α is this product. A number of steps counts as evenly spaced, whatever
      //    the spacing; of a list, which the reference does not take, the next timestep is meant.
      const index = indexOfTimestep(timesteps, timestep);
      const evenly = timestep - Math.floor(config.numTrainTimesteps / timesteps.length);
      const previous = listed ? (timesteps[index + 1] ?? -1) : evenly;
      const alphaProd = alphasCumprod[timestep]!;
      const alphaProdPrevious = previous >= 0 ? alphasCumprod[previous]! : finalAlpha;
      const betaProd = fround(1 - alphaProd);
      const betaProdPrevious = fround(1 - alphaProdPrevious);

      // 2. x_0 and the noise as the model sees them, Song et al. eq. 9
      const [alpha, sigma] = [root(alphaProd), root(betaProd)];
      const original = predictOriginalSample(config.predictionType, modelOutput, sample, alpha, sigma);
      const predictedNoise = predictNoise(config.predictionType, modelOutput, sample, alpha, sigma);
      if (config.thresholding) threshold(config, original);
      else if (config.clipSample) clip(config, original);
      const isClipped = config.thresholding || config.clipSample;
      const noise =
        isClipped && config.useClippedModelOutput ? noiseBeside(original, sample, alpha, sigma) : predictedNoise;

      // 3. how much fresh noise, Song et al. eq. 16
      const ratio = fround(1 - fround(alphaProd / alphaProdPrevious));
      const deviation = fround(fround(eta) * root(fround(fround(betaProdPrevious / betaProd) * ratio)));

      // 4. x_{t-1}, Song et al. eq. 12
      const alphaPrevious = root(alphaProdPrevious);
      const direction = root(fround(betaProdPrevious - fround(deviation * deviation)));
      const data = weightedSum(alphaPrevious, original.data, direction, noise);
      if (eta > 0) {
        const fresh = drawNoise(sample.shape, generator).data;
        for (let i = 0; i < data.length; i++) data[i] = data[i]! + fround(deviation * fresh[i]!);
      }
      return { prevSample: { data, shape: sample.shape }, predOriginalSample: original };
    },

    addNoise: (original, noise, at) => addNoiseAt(alphasCumprod, original, noise, at),
  };
}

/** The noise in x_t = α · x_0 + σ · noise, for this x_0. */
function noiseBeside(original: Tensor, sample: Tensor, alpha: number, sigma: number): Float32Array {
  return sample.data.map((x, i) => fround(x - fround(alpha * original.data[i]!)) / sigma);
}

/** The noise in x_t = α · x_0 + σ · noise, before x_0 is clipped. */
function predictNoise(
  predictionType: SchedulerConfig["predictionType"],
  modelOutput: Tensor,
  sample: Tensor,
  alpha: number,
  sigma: number,
): Float32Array {
  const [p, x] = [modelOutput.data, sample.data];
  switch (predictionType) {
    case "epsilon":
      return p;
    case "sample": {
      const noise = new Float32Array(x.length);
      for (let i = 0; i < noise.length; i++) noise[i] = fround(x[i]! - fround(alpha * p[i]!)) / sigma;
      return noise;
    }
    case "v_prediction":
      return weightedSum(alpha, p, sigma, x);
  }
}
