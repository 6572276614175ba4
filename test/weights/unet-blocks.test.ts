import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float16ToFloat32 } from "../../src/math/half.ts";
import { type WeightEntry, openWeights } from "../../src/weights/checkpoint.ts";
import { findStored, hasBlocks } from "../../src/weights/find-weight.ts";
import { dequantizeBlocks } from "../../src/weights/quantize-blocks.ts";
import { findQuantized, quantizeIntoCache } from "../../src/weights/quantize-checkpoint.ts";
import { readTensor, writeSafetensors } from "../../src/weights/safetensors.ts";
import { blockMatrix, fillRows, isBlocked, kernelParts } from "../../src/weights/unet-blocks.ts";
import { normals } from "../onnx/lower/wide-networks.ts";
import { temporaryFile } from "./files.ts";

test("layers and kernels of whole blocks are kept in blocks; tables, norms and the image's few channels are not", () => {
  expect(isBlocked("mid_block.attentions.0.to_q.weight", [64, 96])).toBe(true);
  expect(isBlocked("mid_block.resnets.0.conv1.weight", [160, 320, 3, 3])).toBe(true);
  expect(isBlocked("conv_in.weight", [320, 6, 3, 3])).toBe(false);
  expect(isBlocked("conv_out.weight", [6, 320, 3, 3])).toBe(false);
  expect(isBlocked("class_embedding.weight", [1000, 1024])).toBe(false);
  expect(isBlocked("mid_block.resnets.0.norm1.weight", [320])).toBe(false);
  expect(isBlocked("mid_block.resnets.0.conv1.bias", [320])).toBe(false);
});

describe("a kernel as a matrix", () => {
  test.each([
    ["of few channels has a row for each of its rows and outputs", "conv1", [128, 64, 3, 3], [384, 192]],
    ["of many channels has a row for each of its taps and outputs", "conv1", [1408, 1408, 3, 3], [9 * 1408, 1408]],
    ["of many more channels than outputs is of the latter kind", "conv1", [128, 256, 3, 3], [9 * 128, 256]],
    ["and so is that of an enlarged feature map", "upsamplers.0.conv", [64, 64, 3, 3], [9 * 64, 64]],
    ["in both kinds of networks", "upsamplers.0.conv1", [64, 64, 3, 3], [9 * 64, 64]],
    ["but not that of a feature map that is halved", "downsamplers.0.conv", [1408, 1408, 3, 3], [3 * 1408, 3 * 1408]],
    ["has its outputs filled up to whole tiles", "conv1", [160, 160, 3, 3], [3 * 192, 3 * 160]],
    ["of one pixel has a row for each output", "conv_shortcut", [160, 320, 1, 1], [192, 320]],
  ] as const)("%s", (_, name, shape, matrix) => {
    expect(blockMatrix(`down_blocks.0.${name}.weight`, shape)).toEqual(matrix);
  });

  test("is a layer's weight as it is", () => {
    expect(blockMatrix("to_q.weight", [6, 64])).toEqual([6, 64]);
    expect(fillRows([6, 64])).toBe(0);
    expect(fillRows([160, 160, 3, 3])).toBe(32);
  });

  const numbers = (shape: readonly number[]): Float32Array =>
    Float32Array.from({ length: shape.reduce((product, side) => product * side) }, (_, at) => at);

  test("apart, holds in each row all channels of a tap", () => {
    const shape = [1, 3, 2, 2]; // outputs, channels, rows, columns
    const parts = kernelParts("upsamplers.0.conv.weight", numbers(shape), shape);
    expect(parts.map((part) => [...part])).toEqual([
      [0, 4, 8],
      [1, 5, 9],
      [2, 6, 10],
      [3, 7, 11],
    ]);
  });

  test("beside, holds in each row four channels of the first column, then of the next, then the next four", () => {
    const shape = [2, 8, 2, 3];
    const parts = kernelParts("downsamplers.0.conv.weight", numbers(shape), shape);
    const row = (output: number, y: number): number[] =>
      [0, 4].flatMap((four) =>
        [0, 1, 2].flatMap((x) => [0, 1, 2, 3].map((within) => output * 48 + (four + within) * 6 + y * 3 + x)),
      );
    expect(parts.map((part) => [...part])).toEqual([
      [...row(0, 0), ...row(1, 0)],
      [...row(0, 1), ...row(1, 1)],
    ]);
  });
});

test("a UNet's file becomes blocks of it, in parts of a few megabytes, once", async () => {
  const shapes: Record<string, number[]> = {
    "conv.weight": [96, 64, 3, 3],
    "wide.weight": [32, 128, 3, 3],
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
  for (const name of ["conv.weight", "wide.weight", "shortcut.weight", "to_q.weight"]) {
    const shape = shapes[name] ?? [];
    const [rows, columns] = blockMatrix(name, shape);
    const { entry, blockScales } = findStored(table, name, shape, []);
    const data = (await read(entry)) as Uint8Array<ArrayBuffer>;
    const scales = (await read(blockScales)) as Uint16Array<ArrayBuffer>;
    const matrix = dequantizeBlocks({ data, scales }, rows, columns, 8);
    const fill = Array.from({ length: fillRows(shape) * columns }, () => 0);
    const parts = kernelParts(name, floats.get(name) ?? new Float32Array(), shape);
    const exact = parts.flatMap((part) => [...part, ...fill]);
    const step = Math.max(...float16ToFloat32(scales).map(Math.abs));
    const difference = exact.map((value, at) => Math.abs(value - (matrix[at] ?? NaN)));
    expect(Math.max(...difference)).toBeLessThan(1.01 * step);
    expect(Math.hypot(...difference) / Math.hypot(...exact)).toBeLessThan(6e-3);
    expect(matrix).toHaveLength(exact.length);
    expect(difference.filter((_, at) => exact[at] === 0).every((value) => value === 0)).toBe(true);
  }
});
