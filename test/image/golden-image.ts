/** The image goldens: index, tensors, images (see test/golden/README or scripts/golden/select-image.py for what they are). */

import { readFileSync } from "node:fs";
import { decodeImage } from "../../src/image/decode.ts";
import { type Pixels, rgbFromPixels, type RgbImage } from "../../src/image/pixels.ts";
import { readImage } from "../../src/image/read-image.ts";
import { type Tensor, tensor } from "../../src/math/tensor.ts";
import { goldenPath } from "../golden.ts";

export interface Row {
  readonly key: string;
  /** A file of image/inputs, by the name that stored sets give the field. */
  readonly picture?: string;
  readonly error?: string;
  readonly sample_size?: number;
  readonly shape?: readonly number[];
  readonly resize?: readonly [number, number];
  readonly to?: readonly [number, number];
  readonly tensor?: readonly number[];
  readonly convert?: string;
  readonly num_images_per_prompt?: number;
  readonly extractor?: string;
  readonly ones?: number;
}

export interface WatermarkRow {
  readonly name: string;
  readonly size: readonly [number, number];
  readonly sample_size: number | null;
  readonly blue?: number;
  readonly error?: string;
  readonly changed_pixels?: number;
}

interface Index {
  readonly decoded: Readonly<Record<string, { mode: string; size: [number, number] }>>;
  readonly preprocess_image: readonly Row[];
  readonly resize_rule: readonly {
    width: number;
    height: number;
    sample_size: number;
    out_width: number;
    out_height: number;
  }[];
  readonly preprocess_mask: readonly Row[];
  readonly preprocess_sr: readonly Row[];
  readonly upscale: readonly Row[];
  readonly x4_preprocess: readonly Row[];
  readonly features: readonly Row[];
  readonly watermark: readonly WatermarkRow[];
}

export const golden = JSON.parse(readFileSync(goldenPath("image", "image.json"), "utf8")) as Index;

interface Stored {
  readonly shape: readonly number[];
  readonly data: Uint8Array | Float32Array | Float64Array;
}

const tensors = readTensors(goldenPath("image", "image.safetensors"));

function readTensors(path: string): Map<string, Stored> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const entries = Object.entries(header).filter(([key]) => key !== "__metadata__");
  return new Map(
    entries.map(([key, { dtype, shape, data_offsets }]) => {
      const bytes = Uint8Array.from(file.subarray(start + data_offsets[0], start + data_offsets[1]));
      const data =
        dtype === "F32" ? new Float32Array(bytes.buffer) : dtype === "F64" ? new Float64Array(bytes.buffer) : bytes;
      return [key, { shape, data }];
    }),
  );
}

export function hasStored(key: string): boolean {
  return tensors.has(key);
}

export function stored(key: string): Stored {
  const found = tensors.get(key);
  if (!found) throw new Error(`no golden tensor ${key}`);
  return found;
}

export function storedTensor(key: string): Tensor {
  const { data, shape } = stored(key);
  return tensor(Float32Array.from(data), shape);
}

/** What Pillow decoded, where it is stored; else what we decode. */
export async function imageOf(name: string, key = "rgb"): Promise<RgbImage> {
  if (!hasStored(`pixels.${name}.${key}`)) return readImage(imagePath(name), { orient: false });
  const { data, shape } = stored(`pixels.${name}.${key}`);
  return { data: data as Uint8Array, width: shape[1]!, height: shape[0]!, channels: 3 };
}

/** The image in the mode of its file (gray, RGB or RGBA), or converted to RGB if the case says so. */
export async function imageAsIs({ picture, convert }: Row): Promise<Pixels> {
  if (convert === "RGB") return imageOf(picture!);
  const { mode } = golden.decoded[picture!]!;
  const rgb = await imageOf(picture!);
  if (mode === "L") return { ...rgb, data: rgb.data.filter((_, i) => i % 3 === 0), channels: 1 };
  if (mode !== "RGBA") return rgb;
  const decoded = await decodeImage(imagePath(picture!), false);
  if (decoded.kind !== "bytes") throw new Error(`${picture} is not made of bytes`);
  if (Buffer.compare(rgbFromPixels(decoded).data, rgb.data) !== 0) throw new Error(`${picture} is decoded wrongly`);
  return decoded;
}

/** The tiny checkpoint's mark: among the tensors of the reduced set, in the checkpoint itself of the full one. */
export function checkpointWatermark(): Float32Array | Uint8Array {
  if (hasStored("watermark_image")) return stored("watermark_image").data as Uint8Array;
  const path = goldenPath("checkpoints", "if-i", "watermarker", "diffusion_pytorch_model.safetensors");
  return readTensors(path).get("watermark_image")!.data as Float32Array;
}

export function imagePath(name: string): string {
  return goldenPath("image", "inputs", name);
}

/** @returns the rows; a data folder that lost them must not pass. */
export function cases<T>(rows: readonly T[]): readonly T[] {
  if (rows.length === 0) throw new Error("no golden cases");
  return rows;
}

/**
 * The reference's tensor of a case: stored as floats, or as bytes and the rule that makes them floats.
 * @param scale as the golden README states it, one byte -> one float.
 */
export function expectedTensor(key: string, scale: (byte: number, channel: number) => number): Tensor {
  if (hasStored(key)) return storedTensor(key);
  const { data, shape } = stored(`${key}.u8`);
  const area = shape[2]! * shape[3]!;
  return tensor(
    Float32Array.from(data, (byte, i) => scale(byte, Math.trunc(i / area) % shape[1]!)),
    shape,
  );
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = difference; // NaN counts as a difference
  }
  return largest;
}
