/**
 * @module pipelines/guidance
 * Classifier-free guidance, Ho & Salimans 2022 (arXiv 2207.12598) eq. 6 as Imagen writes it:
 * ε = ε(uncond) + s · (ε(text) - ε(uncond)). A predicted variance is not guided: it is the text half's.
 */

import { ShapeError } from "../errors.ts";
import { elementCount, type Tensor } from "../math/tensor.ts";

/**
 * @param modelOutput (2B, C or 2C, H, W): the unconditional half first; channels from C on are the variance.
 * @param channels C, those of the sample.
 * @returns (B, C or 2C, H, W).
 */
export function applyGuidance(modelOutput: Tensor, guidanceScale: number, channels: number): Tensor {
  const [doubled = 0, outChannels = 0, ...sides] = modelOutput.shape;
  if (doubled % 2 !== 0) throw new ShapeError(`a batch of ${doubled} has no two halves to guide`);
  const { fround } = Math;
  const scale = fround(guidanceScale);
  const half = modelOutput.data.length / 2;
  const plane = elementCount(sides);
  const uncond = modelOutput.data.subarray(0, half);
  const data = modelOutput.data.slice(half); // the text half; of it the variance stays
  for (let start = 0; start < half; start += outChannels * plane) {
    for (let at = start; at < start + channels * plane; at++) {
      data[at] = fround(uncond[at]! + fround(scale * fround(data[at]! - uncond[at]!)));
    }
  }
  return { data, shape: [doubled / 2, outChannels, ...sides] };
}

/** (B, 2C, H, W) -> (B, C, H, W): without the variance, for schedulers that do not learn it. */
export function dropVariance(modelOutput: Tensor, channels: number): Tensor {
  const [batch = 0, outChannels = 0, ...sides] = modelOutput.shape;
  if (outChannels === channels) return modelOutput;
  const [row, kept] = [outChannels * elementCount(sides), channels * elementCount(sides)];
  const data = new Float32Array(batch * kept);
  for (let at = 0; at < batch; at++) data.set(modelOutput.data.subarray(at * row, at * row + kept), at * kept);
  return { data, shape: [batch, channels, ...sides] };
}
