/**
 * @module schedulers/noise
 * Drawing noise, and mixing it with images.
 */

import { ShapeError } from "../errors.ts";
import type { Generator } from "../math/random.ts";
import { checkSameShape, elementCount, type Tensor } from "../math/tensor.ts";

const fround = Math.fround;

/**
 * @param shape     (B, C, H, W).
 * @param generator one for the whole batch, or several: each draws its equal share of the batch at once, in order.
 * @returns standard normal noise, float32.
 * @throws {ShapeError} the batch has no equal shares for so many generators.
 */
export function drawNoise(shape: readonly number[], generator: Generator | readonly Generator[]): Tensor {
  if (!isList(generator)) return generator.randn(shape);
  const [batch = 0, ...image] = shape;
  const share = batch / generator.length;
  if (!Number.isInteger(share)) {
    throw new ShapeError(`${generator.length} generators cannot draw for ${batch} images`);
  }
  if (generator.length === 1) return generator[0]!.randn(shape);
  const data = new Float32Array(elementCount(shape));
  generator.forEach((one, index) => data.set(one.randn([share, ...image]).data, index * share * elementCount(image)));
  return { data, shape };
}

/** x_t = alpha · x_0 + sigma · noise. */
export interface MixingLevel {
  readonly alpha: number;
  readonly sigma: number;
}

/**
 * original · levels[b].alpha + noise · levels[b].sigma for image b, in float32 steps.
 * @param levels one per image, or one for all.
 * @throws {ShapeError} there are as many of neither, or the tensors differ in shape.
 */
export function mix(original: Tensor, noise: Tensor, levels: readonly MixingLevel[]): Tensor {
  checkSameShape(original.shape, noise.shape, "image and noise");
  const batch = original.shape[0] ?? 1;
  if (levels.length !== 1 && levels.length !== batch) {
    throw new ShapeError(`${levels.length} timesteps do not fit ${batch} images`);
  }
  const data = new Float32Array(original.data.length);
  const perImage = data.length / batch;
  for (let b = 0; b < batch; b++) {
    const level = levels[levels.length === 1 ? 0 : b]!;
    const [alpha, sigma] = [fround(level.alpha), fround(level.sigma)];
    for (let i = b * perImage; i < (b + 1) * perImage; i++) {
      data[i] = fround(alpha * original.data[i]!) + fround(sigma * noise.data[i]!);
    }
  }
  return { data, shape: original.shape };
}

/** x_t = sqrt(ᾱ_t) · x_0 + sqrt(1 - ᾱ_t) · noise, Ho et al. 2020 eq. 4; one timestep per image, or one for all. */
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
    alphas.map((alpha) => ({ alpha: Math.sqrt(alpha), sigma: Math.sqrt(fround(1 - alpha)) })),
  );
}

function isList(generator: Generator | readonly Generator[]): generator is readonly Generator[] {
  return Array.isArray(generator);
}
