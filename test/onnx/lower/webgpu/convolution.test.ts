/** Convolutions and what goes with them on channels-last feature maps, of sizes that no published network has, against the CPU's. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { elementCount } from "../../../../src/math/tensor.ts";
import { conv2d } from "../../../../src/models/layers.ts";
import { GraphBuilder, type Value } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import { webgpuVariants } from "../../../../src/onnx/lower/webgpu/variants.ts";
import { webgpu } from "../../../../src/onnx/lower/webgpu/webgpu.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { bindWeights } from "../../../../src/runtime/bind-weights.ts";
import { openWeights } from "../../../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../../../src/weights/quantize-checkpoint.ts";
import { relativeError, runLowered } from "../run-lowered.ts";
import { normals, writeCheckpoint } from "../wide-networks.ts";

const choices = webgpuVariants["blocks-fused"]!;

/** From an image's 3 channels to 64, then as `build` goes on, then back to 3. */
async function compare(
  [batch, height, width]: readonly [number, number, number],
  build: (g: GraphBuilder, featureMap: Value) => Value,
): Promise<readonly string[]> {
  const g = new GraphBuilder("unet");
  const sample = g.input("sample", "float32", [batch, 3, height, width]);
  g.output("out", conv2d(g, "conv_out", build(g, conv2d(g, "conv_in", sample, 64)), 3));
  const graph = g.finish();
  const folder = mkdtempSync(join(tmpdir(), "if-gen-convolution-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await writeCheckpoint(graph, folder);
  const blocks = await quantizeIntoCache(await openWeights(folder), join(folder, "cache"), "unet");
  const feeds = { sample: normals(elementCount(sample.shape)) };
  const lowering = webgpu("float32", choices);
  const actual = await runLowered(graph, blocks, lowering, feeds);
  expect(relativeError(actual, await runLowered(graph, blocks, cpu, feeds))).toBeLessThan(1e-5);
  return lower(graph, await bindWeights(await openWeights(blocks)), lowering).nodes.map(({ op }) => op);
}

const names = ["conv1", "upsamplers.0.conv", "downsamplers.0.conv"]; // beside; apart; beside, made for halving
const shapes = [
  [1, 8, 8],
  [2, 7, 5],
  [3, 1, 6],
  [2, 9, 1],
] as const;

describe.each(names)("%s", (name) => {
  test.each(shapes)("%i samples of %i x %i", async (...shape) => {
    await compare(shape, (g, featureMap) => conv2d(g, name, featureMap, 96));
  });

  test.each(shapes)("every second pixel of %i samples of %i x %i", async (...shape) => {
    await compare(shape, (g, featureMap) => conv2d(g, name, featureMap, 64, { stride: 2 }));
  });

  test("outputs that fill no whole tile", async () => {
    await compare([2, 6, 4], (g, featureMap) => conv2d(g, name, featureMap, 32));
  });

  test("without a border", async () => {
    await compare([2, 6, 5], (g, featureMap) => conv2d(g, name, featureMap, 64, { padding: 0 }));
  });
});

test.each([1, 2])("a kernel of one tap, step %i", async (stride) => {
  await compare([2, 7, 5], (g, featureMap) =>
    conv2d(g, "conv_shortcut", featureMap, 96, { kernel: 1, padding: 0, stride }),
  );
});

describe("enlarged feature maps", () => {
  test.each([
    [2, 4, 6, 8, 12],
    [1, 3, 3, 6, 6],
    [2, 4, 6, 7, 11],
    [2, 3, 2, 9, 6],
    [2, 5, 4, 5, 4],
  ])("%i samples of %i x %i to %i x %i", async (batch, height, width, toHeight, toWidth) => {
    const used = await compare([batch, height, width], (g, featureMap) =>
      conv2d(g, "upsamplers.0.conv", ops.upsampleNearest(g, featureMap, toHeight, toWidth), 64),
    );
    const isDoubled = toHeight === 2 * height && toWidth === 2 * width;
    expect(used.includes("Expand") || used.includes("Gather")).toBe(!isDoubled); // a doubled feature map is never made
  });

  test("that another operation takes too", async () => {
    await compare([2, 4, 3], (g, featureMap) => {
      const large = ops.upsampleNearest(g, featureMap, 8, 6);
      return ops.add(g, large, conv2d(g, "upsamplers.0.conv", large, 64));
    });
  });
});

describe("a number for each output", () => {
  const shifted = (batch: number) => (g: GraphBuilder, featureMap: Value) => {
    const shift = g.constant(normals(batch * 64, 1, 7), [batch, 64, 1, 1]);
    return ops.add(g, conv2d(g, "conv1", featureMap, 64), shift);
  };

  test("the same for all samples, is a bias", async () => {
    const adds = (used: readonly string[]): number => used.filter((op) => op === "Add").length;
    const one = adds(await compare([2, 5, 4], shifted(1)));
    expect(one).toBe(1); // to the convolution's own
    expect(adds(await compare([2, 5, 4], shifted(2)))).toBe(1); // to the feature map
  });

  test("is added where the convolution's result is wanted without it too", async () => {
    await compare([2, 5, 4], (g, featureMap) => {
      const plain = conv2d(g, "conv1", featureMap, 64);
      return ops.mul(g, plain, ops.add(g, plain, g.constant(normals(64, 1, 7), [1, 64, 1, 1])));
    });
  });
});

test("skips beside each other, and what is the same for several samples", async () => {
  await compare([2, 6, 4], (g, featureMap) => {
    const wide = conv2d(g, "conv1", featureMap, 96);
    return conv2d(g, "conv2", ops.concat(g, [wide, featureMap], 1), 64);
  });
  await compare([1, 6, 4], (g, featureMap) => {
    const twice = ops.repeatBatch(g, featureMap, 2);
    const factor = g.constant(normals(2 * 64, 1, 9), [2, 64, 1, 1]); // tells the samples apart
    return conv2d(g, "conv2", ops.concat(g, [ops.mul(g, twice, factor), twice], 1), 64);
  });
});
