/**
 * @module pipelines/model-input
 * What a network is given at each step: the sample, an image joined to it as further channels, all of it once for each text.
 * One buffer for all steps: large arrays that are made anew at each step take longer than what is written into them.
 */

import { copyNumbers } from "../math/half.ts";
import { type Numbers, type NumbersConstructor, checkSameShape, elementCount, type Tensor } from "../math/tensor.ts";

/** (B, C, H, W) -> (M·B, C + D, H, W), which is valid until the next call. */
export type ModelInput<Data extends Numbers = Float32Array> = (scaled: Tensor<Data>) => Tensor<Data>;

/**
 * @param shape of the sample, (B, C, H, W).
 * @param conditioning (B, D, H, W).
 * @param texts M, per image.
 * @param Type of what the network takes.
 * @throws {ShapeError} the conditioning does not lie beside the sample.
 */
export function modelInput<Data extends Numbers>(
  shape: readonly number[],
  conditioning: Tensor | undefined,
  texts: number,
  Type: NumbersConstructor<Data>,
): ModelInput<Data> {
  const [batch = 0, channels = 0, ...sides] = shape;
  const [conditioned = batch, further = 0, ...conditionedSides] = conditioning?.shape ?? [batch, 0, ...sides];
  checkSameShape([conditioned, ...conditionedSides], [batch, ...sides], "joining along the channels");
  const plane = elementCount(sides);
  const [sampleLength, conditioningLength] = [channels * plane, further * plane];
  const data = new Type(texts * batch * (sampleLength + conditioningLength));
  const rowStart = (row: number): number => row * (sampleLength + conditioningLength);
  for (let row = 0; conditioning && row < texts * batch; row++) {
    const image = row % batch;
    const start = rowStart(row) + sampleLength;
    copyNumbers(
      conditioning.data.subarray(image * conditioningLength, (image + 1) * conditioningLength),
      data.subarray(start, start + conditioningLength),
    );
  }
  const joined: Tensor<Data> = { data, shape: [texts * batch, channels + further, ...sides] };
  return (scaled) => {
    for (let row = 0; row < texts * batch; row++) {
      const image = row % batch;
      data.set(scaled.data.subarray(image * sampleLength, (image + 1) * sampleLength), rowStart(row));
    }
    return joined;
  };
}
