import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float16ToFloat32 } from "../../src/math/half.ts";
import { type WeightEntry, openWeights } from "../../src/weights/checkpoint.ts";
import { findStored, hasBlocks } from "../../src/weights/find-weight.ts";
import { dequantizeBlocks } from "../../src/weights/quantize-blocks.ts";
import { findQuantized, quantizeIntoCache } from "../../src/weights/quantize-checkpoint.ts";
import { readTensor, writeSafetensors } from "../../src/weights/safetensors.ts";
import { blockMatrix, isBlocked, kernelRows } from "../../src/weights/unet-blocks.ts";
import { normals } from "../onnx/lower/wide-networks.ts";
import { temporaryFile } from "./files.ts";

test("layers and kernels of whole blocks are kept in blocks; tables, norms and the picture's few channels are not", () => {
  expect(isBlocked("mid_block.attentions.0.to_q.weight", [64, 96])).toBe(true);
  expect(isBlocked("mid_block.resnets.0.conv1.weight", [160, 320, 3, 3])).toBe(true);
  expect(isBlocked("conv_in.weight", [320, 6, 3, 3])).toBe(false);
  expect(isBlocked("conv_out.weight", [6, 320, 3, 3])).toBe(false);
  expect(isBlocked("class_embedding.weight", [1000, 1024])).toBe(false);
  expect(isBlocked("mid_block.resnets.0.norm1.weight", [320])).toBe(false);
  expect(isBlocked("mid_block.resnets.0.conv1.bias", [320])).toBe(false);
});

describe("a kernel as a matrix", () => {
  test("has a row for each of its rows and outputs, filled up to whole tiles", () => {
    expect(blockMatrix([128, 64, 3, 3])).toEqual([384, 192]);
    expect(blockMatrix([160, 320, 3, 3])).toEqual([512, 960]);
    expect(blockMatrix([160, 320, 1, 1])).toEqual([192, 320]);
    expect(blockMatrix([6, 64])).toEqual([6, 64]);
  });

  test("holds in each row all channels of the first column, then of the next", () => {
    const shape = [2, 2, 2, 3]; // outputs, channels, rows, columns
    const weight = Float32Array.from({ length: 24 }, (_, at) => at);
    const [first, second] = kernelRows(weight, shape).map((part) => [...part]);
    expect(first).toEqual([0, 6, 1, 7, 2, 8, 12, 18, 13, 19, 14, 20]);
    expect(second).toEqual([3, 9, 4, 10, 5, 11, 15, 21, 16, 22, 17, 23]);
  });
});

test("a UNet's file becomes blocks of it, in parts of a few megabytes, once", async () => {
  const shapes: Record<string, number[]> = {
    "conv.weight": [96, 64, 3, 3],
    "shortcut.weight": [160, 64, 1, 1],
    "to_q.weight": [48, 64],
    "conv.bias": [96],
  };
  const config = await temporaryFile("config.json", "{}");
  const folder = join(config, "..");
  const floats = new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      normals(
        shape.reduce((a, b) => a * b),
        0.1,
      ),
    ]),
  );
  const tensors = new Map(
    [...floats].map(([name, data]) => [
      name,
      { dtype: "F32" as const, shape: shapes[name] ?? [], data: data as Float32Array<ArrayBuffer> },
    ]),
  );
  await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), tensors);
  const source = await openWeights(folder);
  const cache = join(folder, "cache");
  expect(await findQuantized(source, cache, "unet")).toBeUndefined();
  const quantized = await quantizeIntoCache(source, cache, "unet");
  expect(await findQuantized(source, cache, "unet")).toBe(quantized);
  const table = await openWeights(quantized);
  expect(hasBlocks(table)).toBe(true);
  expect(hasBlocks(source)).toBe(false);
  expect(table.tensors.get("conv.bias")).toMatchObject({ dtype: "F16", shape: [96] });

  const read = async (entry: WeightEntry | undefined): Promise<Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>> =>
    (await readTensor(entry?.file ?? "", entry as WeightEntry)) as Uint8Array<ArrayBuffer>;
  for (const name of ["conv.weight", "shortcut.weight", "to_q.weight"]) {
    const shape = shapes[name] ?? [];
    const [rows, columns] = blockMatrix(shape);
    const { entry, blockScales } = findStored(table, name, shape, []);
    const data = (await read(entry)) as Uint8Array<ArrayBuffer>;
    const scales = (await read(blockScales)) as Uint16Array<ArrayBuffer>;
    const matrix = dequantizeBlocks({ data, scales }, rows, columns, 8);
    const exact = kernelRows(floats.get(name) ?? new Float32Array(), shape).flatMap((part) => [...part]);
    const step = Math.max(...float16ToFloat32(scales).map(Math.abs));
    const difference = exact.map((value, at) => Math.abs(value - (matrix[at] ?? NaN)));
    expect(Math.max(...difference)).toBeLessThan(1.01 * step);
    expect(Math.hypot(...difference) / Math.hypot(...exact)).toBeLessThan(6e-3);
    expect(matrix.subarray(exact.length).every((value) => value === 0)).toBe(true);
  }
});
