/**
 * @module schedulers/sigmas
 * What Euler and Heun share: samples scaled so that x_σ = x_0 + σ · noise, instead of keeping their variance near 1.
 * Source: Karras et al. 2022 (arXiv 2206.00364) §2.
 */

import { checkSameShape, type Tensor } from "../math/tensor.ts";
import type { SchedulerConfig } from "./config.ts";

const fround = Math.fround;

/** @returns σ at each timestep, between training timesteps by linear interpolation. */
export function sigmasAt(trainSigmas: Float32Array, timesteps: readonly number[]): number[] {
  return timesteps.map((t) => {
    const below = Math.min(Math.floor(t), trainSigmas.length - 1);
    const above = Math.min(below + 1, trainSigmas.length - 1);
    const slope = trainSigmas[above]! - trainSigmas[below]!;
    return fround(slope * (t - below) + trainSigmas[below]!);
  });
}

/** @returns what to multiply the first noise with. */
export function initialSigma(config: SchedulerConfig, sigmas: readonly number[]): number {
  const largest = Math.max(...sigmas);
  // With "leading" the first timestep is not the noisiest: there the sample keeps the share of image it would have.
  return config.timestepSpacing === "leading" ? fround(Math.sqrt(fround(fround(largest * largest) + 1))) : largest;
}

/** x_σ → what the model was trained on, x_σ / sqrt(σ² + 1); a new tensor. */
export function scaleToUnit(sample: Tensor, sigma: number): Tensor {
  const scale = fround(Math.sqrt(fround(fround(sigma * sigma) + 1)));
  return { data: sample.data.map((x) => x / scale), shape: sample.shape };
}

/**
 * x_0 from the model's prediction, which it made of the scaled sample.
 * @throws {ShapeError} prediction and sample differ in shape.
 */
export function originalFromScaled(
  predictionType: SchedulerConfig["predictionType"],
  prediction: Tensor,
  sample: Tensor,
  sigma: number,
): Tensor {
  checkSameShape(prediction.shape, sample.shape, "model output and sample");
  const [p, x] = [prediction.data, sample.data];
  const data = new Float32Array(x.length);
  switch (predictionType) {
    case "epsilon":
      for (let i = 0; i < data.length; i++) data[i] = x[i]! - fround(sigma * p[i]!);
      break;
    case "sample":
      data.set(p);
      break;
    case "v_prediction": {
      const variance = fround(fround(sigma * sigma) + 1);
      const predictionShare = fround(-sigma / fround(Math.sqrt(variance)));
      for (let i = 0; i < data.length; i++) data[i] = fround(p[i]! * predictionShare) + fround(x[i]! / variance);
      break;
    }
  }
  return { data, shape: sample.shape };
}
