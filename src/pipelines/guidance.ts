/**
 * @module pipelines/guidance
 * Classifier-free guidance, Ho & Salimans 2022 (arXiv 2207.12598) eq. 6 as Imagen writes it:
 * ε = ε(uncond) + s · (ε(text) - ε(uncond)). A predicted variance is not guided: it is the text's.
 *
 * Off unless asked for: a positive prompt mixed in, as `positive_mixer` of the original deep-floyd/IF; rescaling, Lin et al.
 * 2023 (arXiv 2305.08891) §3.4 as diffusers' `rescale_noise_cfg`; an interval of steps, Kynkäänniemi et al. 2024 (arXiv
 * 2404.07724), counted as `start` and `stop` of diffusers' ClassifierFreeGuidance.
 *
 * Letters: B images, C channels of the sample, M texts per image.
 */

import { ShapeError } from "../errors.ts";
import { elementCount, type Tensor } from "../math/tensor.ts";
import { textsPerImage } from "../plan/plan.ts";

export interface Guidance {
  /** s; 1 and below: off. */
  readonly guidanceScale: number;
  /** The positive prompt's share of ε(text), in [0, 1]; absent: there is none. */
  readonly positiveMixer?: number;
  /** How far the guided prediction is brought back to the deviation of the text's, in [0, 1]. @default 0 */
  readonly guidanceRescale?: number;
  /** The share of the steps, from and up to, that are guided. @default all */
  readonly guidanceInterval?: readonly [number, number];
}

/** @returns what of a stage's options concerns guidance. */
export const guidanceOf = ({
  guidanceScale,
  positiveMixer,
  guidanceRescale,
  guidanceInterval,
}: Guidance): Guidance => ({
  guidanceScale,
  ...(positiveMixer === undefined ? {} : { positiveMixer }),
  ...(guidanceRescale === undefined ? {} : { guidanceRescale }),
  ...(guidanceInterval === undefined ? {} : { guidanceInterval }),
});

/**
 * @param modelOutput (M·B, C or 2C, H, W): unconditional, positive, text; channels from C on are the variance.
 * @param channels C.
 * @param at the step, from 0, and how many there are.
 * @returns (B, C or 2C, H, W).
 */
export function applyGuidance(
  modelOutput: Tensor,
  guidance: Guidance,
  channels: number,
  at: { readonly step: number; readonly steps: number },
): Tensor {
  const texts = textsPerImage(guidance);
  const [samples = 0, outChannels = 0, ...sides] = modelOutput.shape;
  if (samples % texts !== 0) throw new ShapeError(`a batch of ${samples} has no ${texts} parts to guide`);
  const part = modelOutput.data.length / texts;
  const plane = elementCount(sides);
  const row = outChannels * plane; // of an image
  const kept = channels * plane; // of it, without the variance
  const uncond = modelOutput.data.subarray(0, part);
  const data = modelOutput.data.slice((texts - 1) * part); // the text's part; of it the variance stays
  const { positiveMixer, guidanceRescale = 0 } = guidance;
  if (texts === 3) mixIn(data, modelOutput.data.subarray(part, 2 * part), positiveMixer ?? 0, row, kept);
  if (isWithin(guidance.guidanceInterval, at)) {
    for (let start = 0; start < part; start += row) {
      const image = data.subarray(start, start + kept);
      const deviation = guidanceRescale > 0 ? standardDeviation(image) : 0;
      guide(image, uncond.subarray(start, start + kept), guidance.guidanceScale);
      if (guidanceRescale > 0) rescale(image, deviation, guidanceRescale);
    }
  }
  return { data, shape: [samples / texts, outChannels, ...sides] };
}

const { fround } = Math;

/** text ← uncond + s · (text - uncond). */
function guide(text: Float32Array, uncond: Float32Array, guidanceScale: number): void {
  const scale = fround(guidanceScale);
  for (let at = 0; at < text.length; at++) {
    text[at] = fround(uncond[at]! + fround(scale * fround(text[at]! - uncond[at]!)));
  }
}

/** text ← text · (1 - m) + positive · m, but for the variance. */
function mixIn(text: Float32Array, positive: Float32Array, mixer: number, row: number, kept: number): void {
  const [textShare, positiveShare] = [fround(1 - mixer), fround(mixer)];
  for (let start = 0; start < text.length; start += row) {
    for (let at = start; at < start + kept; at++) {
      text[at] = fround(textShare * text[at]!) + fround(positiveShare * positive[at]!);
    }
  }
}

/** image ← share · image · (deviation / its own) + (1 - share) · image. */
function rescale(image: Float32Array, deviation: number, share: number): void {
  const ratio = fround(deviation / standardDeviation(image));
  const [rescaledShare, ownShare] = [fround(share), fround(1 - share)];
  for (let at = 0; at < image.length; at++) {
    image[at] = fround(rescaledShare * fround(image[at]! * ratio)) + fround(ownShare * image[at]!);
  }
}

/** As torch's: divided by the count less one. */
function standardDeviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return fround(Math.sqrt(squares / (values.length - 1)));
}

function isWithin(
  interval: Guidance["guidanceInterval"],
  { step, steps }: { readonly step: number; readonly steps: number },
): boolean {
  if (!interval) return true;
  const [from, to] = interval;
  return step >= Math.trunc(from * steps) && step < Math.trunc(to * steps);
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
