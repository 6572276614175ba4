/**
 * @module executor/image-tensor
 * Images that are given as tensors: a safetensors file with one of (C, H, W) or (N, C, H, W), as `--save-stages` and Python write them.
 */

import { CheckpointError, InputImageError } from "../errors.ts";
import { type Tensor, elementCount } from "../math/tensor.ts";
import { readSafetensorsHeader, readTensorAsFloat32 } from "../weights/safetensors.ts";

export const isTensorFile = (path: string): boolean => path.toLowerCase().endsWith(".safetensors");

/** What IF's stages leave is about [-1, 1], and nothing stops them at 1 exactly; bytes are far beyond. */
const LIMIT = 2;

/**
 * @returns (N, 3, H, W), as it lies there.
 * @throws {InputImageError} the file cannot be read, holds another number of tensors, or none of an image.
 */
export async function readImageTensor(path: string): Promise<Tensor> {
  const tensor = await readOnly(path);
  const shape = tensor.shape.length === 3 ? [1, ...tensor.shape] : tensor.shape;
  if (shape.length !== 4 || shape[1] !== 3 || elementCount(shape) === 0) {
    throw new InputImageError(
      `${path} holds a tensor [${tensor.shape.join(", ")}]; an image is [3, H, W] or, several, [N, 3, H, W].`,
    );
  }
  if (!tensor.data.every((value) => Math.abs(value) <= LIMIT)) {
    throw new InputImageError(`${path} holds numbers beyond -1 to 1, in which an image's are.`);
  }
  return { data: tensor.data, shape };
}

async function readOnly(path: string): Promise<Tensor> {
  try {
    const { tensors } = await readSafetensorsHeader(path);
    const [entry, ...more] = tensors.values();
    if (!entry || more.length > 0) {
      throw new InputImageError(`${path} holds ${tensors.size} tensors; an image is a file with one.`);
    }
    return { data: await readTensorAsFloat32(path, entry), shape: entry.shape };
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) throw cause;
    throw new InputImageError(cause.message, { cause });
  }
}
