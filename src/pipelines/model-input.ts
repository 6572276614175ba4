/**
 * @module pipelines/model-input
 * What a network is given at each step: the sample, an image joined to it as further channels, all of it once for each text.
 * One buffer for all steps: large arrays that are made anew at each step take longer than what is written into them.
 */

import { checkSameShape, elementCount, type Tensor } from "../math/tensor.ts";

/** (B, C, H, W) -> (M·B, C + D, H, W), which is valid until the next call. */
export type ModelInput = (scaled: Tensor) => Tensor;

/**
 * @param sample (B, C, H, W); alone its shape counts.
 * @param conditioning (B, D, H, W).
 * @param texts M, per image.
 * @throws {ShapeError} the conditioning does not lie beside the sample.
 */
export function modelInput(sample: Tensor, conditioning: Tensor | undefined, texts: number): ModelInput {
  const [batch = 0, channels = 0, ...sides] = sample.shape;
  const [conditioned = batch, further = 0, ...conditionedSides] = conditioning?.shape ?? [batch, 0, ...sides];
  checkSameShape([conditioned, ...conditionedSides], [batch, ...sides], "joining along the channels");
  if (texts === 1 && !conditioning) return (scaled) => scaled;
  const plane = elementCount(sides);
  const [sampleLength, conditioningLength] = [channels * plane, further * plane];
  const data = new Float32Array(texts * batch * (sampleLength + conditioningLength));
  const rowStart = (row: number): number => row * (sampleLength + conditioningLength);
  for (let row = 0; conditioning && row < texts * batch; row++) {
    const image = row % batch;
    data.set(
      conditioning.data.subarray(image * conditioningLength, (image + 1) * conditioningLength),
      rowStart(row) + sampleLength,
    );
  }
  const joined: Tensor = { data, shape: [texts * batch, channels + further, ...sides] };
  return (scaled) => {
    for (let row = 0; row < texts * batch; row++) {
      const image = row % batch;
      data.set(scaled.data.subarray(image * sampleLength, (image + 1) * sampleLength), rowStart(row));
    }
    return joined;
  };
}
