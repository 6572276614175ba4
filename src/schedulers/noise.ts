/**
 * @module schedulers/noise
 * Drawing noise, and mixing it with pictures.
 */

import { ShapeError } from "../errors.ts";
import type { Generator } from "../math/random.ts";
import { checkSameShape, elementCount, type Tensor } from "../math/tensor.ts";

const fround = Math.fround;

/**
 * @param shape     (B, C, H, W).
 * @param generator one for the whole batch, or one per picture.
 * @returns standard normal noise, float32.
 * @throws {ShapeError} not as many generators as pictures.
 */
export function drawNoise(shape: readonly number[], generator: Generator | readonly Generator[]): Tensor {
  if (!isList(generator)) return generator.randn(shape);
  const [batch, ...picture] = shape;
  if (generator.length !== batch) {
    throw new ShapeError(`${generator.length} generators cannot draw for ${batch} pictures`);
  }
  const data = new Float32Array(elementCount(shape));
  generator.forEach((one, index) => data.set(one.randn([1, ...picture]).data, index * elementCount(picture)));
  return { data, shape };
}

/**
 * original · pictureShares[b] + noise · noiseShares[b] for picture b, in float32 steps.
 * @param pictureShares one per picture, or one for all; also `noiseShares`.
 */
export function mix(
  original: Tensor,
  noise: Tensor,
  pictureShares: readonly number[],
  noiseShares: readonly number[],
): Tensor {
  checkSameShape(original.shape, noise.shape, "picture and noise");
  const batch = original.shape[0] ?? 1;
  if (noiseShares.length !== 1 && noiseShares.length !== batch) {
    throw new ShapeError(`${noiseShares.length} timesteps do not fit ${batch} pictures`);
  }
  const data = new Float32Array(original.data.length);
  const perPicture = data.length / batch;
  for (let b = 0; b < batch; b++) {
    const index = noiseShares.length === 1 ? 0 : b;
    const pictureShare = fround(pictureShares[index]!);
    const noiseShare = fround(noiseShares[index]!);
    for (let i = b * perPicture; i < (b + 1) * perPicture; i++) {
      data[i] = fround(pictureShare * original.data[i]!) + fround(noiseShare * noise.data[i]!);
    }
  }
  return { data, shape: original.shape };
}

/** x_t = sqrt(ᾱ_t) · x_0 + sqrt(1 - ᾱ_t) · noise, Ho et al. 2020 eq. 4; one timestep per picture, or one for all. */
export function addNoiseAt(
  alphasCumprod: Float32Array,
  original: Tensor,
  noise: Tensor,
  timesteps: readonly number[],
): Tensor {
  const alphas = timesteps.map((t) => alphasCumprod[t]!);
  return mix(
    original,
    noise,
    alphas.map((alpha) => Math.sqrt(alpha)),
    alphas.map((alpha) => Math.sqrt(fround(1 - alpha))),
  );
}

function isList(generator: Generator | readonly Generator[]): generator is readonly Generator[] {
  return Array.isArray(generator);
}
