/**
 * @module schedulers/original-sample
 * x_0 as the model sees it, and keeping it in range.
 */

import { ShapeError } from "../errors.ts";
import { clipMagnitudes, hasNaN, quantileOfMagnitudes } from "../math/statistics.ts";
import { checkSameShape, type Tensor } from "../math/tensor.ts";
import { weightedSum } from "../math/weighted-sum.ts";
import type { SchedulerConfig } from "./config.ts";

const fround = Math.fround;

/**
 * The model output's two halves: the prediction, and where the variance lies.
 * @param modelOutput (B, 2C, H, W).
 * @param shape       (B, C, H, W).
 * @returns two tensors (B, C, H, W), of one image's the two halves of its memory, else new ones.
 * @throws {ShapeError} `modelOutput` has not twice the channels.
 */
export function splitVariance(modelOutput: Tensor, shape: readonly number[]): { prediction: Tensor; variance: Tensor } {
  const [batch = 1, channels = 1, ...plane] = shape;
  checkSameShape(modelOutput.shape, [batch, 2 * channels, ...plane], "model output with learned variance");
  const half = modelOutput.data.length / batch / 2;
  if (batch === 1) {
    const { data } = modelOutput;
    return { prediction: { data: data.subarray(0, half), shape }, variance: { data: data.subarray(half), shape } };
  }
  const prediction = new Float32Array(batch * half);
  const variance = new Float32Array(batch * half);
  for (let b = 0; b < batch; b++) {
    const start = 2 * b * half;
    prediction.set(modelOutput.data.subarray(start, start + half), b * half);
    variance.set(modelOutput.data.subarray(start + half, start + 2 * half), b * half);
  }
  return { prediction: { data: prediction, shape }, variance: { data: variance, shape } };
}

/**
 * x_0 from the model's prediction, where x_t = α · x_0 + σ · noise (float32 numbers).
 * epsilon: Ho et al. 2020 eq. 15; v_prediction: Salimans and Ho 2022 (arXiv 2202.00512) §4, v = α · noise - σ · x_0.
 * @throws {ShapeError} prediction and sample differ in shape.
 */
export function predictOriginalSample(
  predictionType: SchedulerConfig["predictionType"],
  prediction: Tensor,
  sample: Tensor,
  alpha: number,
  sigma: number,
): Tensor {
  checkSameShape(prediction.shape, sample.shape, "model output and sample");
  const [p, x] = [prediction.data, sample.data];
  switch (predictionType) {
    case "epsilon":
      return { data: withoutNoise(x, p, alpha, sigma), shape: sample.shape };
    case "sample":
      return { data: p.slice(), shape: sample.shape };
    case "v_prediction":
      return { data: weightedSum(alpha, x, -sigma, p), shape: sample.shape };
  }
}

/** (x - σ · noise) / α */
function withoutNoise(x: Float32Array, noise: Float32Array, alpha: number, sigma: number): Float32Array {
  const data = new Float32Array(x.length);
  for (let i = 0; i < data.length; i++) data[i] = fround(x[i]! - fround(sigma * noise[i]!)) / alpha;
  return data;
}

/**
 * Dynamic thresholding, in place: each image is clipped to ±s and divided by s, where s is a quantile of its |x_0|
 * within [1, sampleMaxValue]. Source: Saharia et al. 2022 (arXiv 2205.11487) §2.3.
 */
export function threshold(config: SchedulerConfig, original: Tensor): void {
  const batch = original.shape[0];
  if (batch === undefined) throw new ShapeError("thresholding needs a batch of images");
  const perImage = original.data.length / batch;
  for (let b = 0; b < batch; b++) {
    const image = original.data.subarray(b * perImage, (b + 1) * perImage);
    const s = thresholdOf(config, image);
    if (Number.isNaN(s)) image.fill(s);
    else clipMagnitudes(image, s);
    if (s !== 1) for (let i = 0; i < image.length; i++) image[i] = image[i]! / s;
  }
}

/** @returns s; NaN where the image has a NaN. The quantile is not looked for where s is the same whatever it is, as in stage 2. */
function thresholdOf({ dynamicThresholdingRatio, sampleMaxValue }: SchedulerConfig, image: Float32Array): number {
  const most = fround(sampleMaxValue);
  if (most <= 1) return hasNaN(image) ? Number.NaN : most;
  return Math.min(Math.max(quantileOfMagnitudes(image, dynamicThresholdingRatio), 1), most);
}

/** Clips to ±clipSampleRange, in place. */
export function clip(config: SchedulerConfig, original: Tensor): void {
  const limit = fround(config.clipSampleRange);
  const { data } = original;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (value > limit) data[i] = limit;
    else if (value < -limit) data[i] = -limit;
  }
}
