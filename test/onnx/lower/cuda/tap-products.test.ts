/** Convolutions as products of kernel taps, summed at once or row by row, against the CPU's own convolution. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Graph, GraphBuilder, type Value } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { cudaVariants } from "../../../../src/onnx/lower/cuda/variants.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { bindWeights } from "../../../../src/runtime/bind-weights.ts";
import { openWeights } from "../../../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../../../src/weights/quantize-checkpoint.ts";
import { temporaryFolder } from "../../../weights/files.ts";
import { relativeError, runLowered } from "../run-lowered.ts";
import { normals, writeCheckpoint } from "../wide-networks.ts";
import { onCpuOperations } from "./on-cpu.ts";

const CHANNELS = 32;

/** @param name of the module: it decides how its kernel lies in blocks (weights/unet-blocks). */
function graphOf(name: string, sides: readonly [number, number], change: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder("a convolution");
  const x = change(g, g.input("x", "float32", [2, CHANNELS, ...sides]));
  const kernel = g.parameter(`${name}.weight`, [64, CHANNELS, 3, 3]);
  const stride = name.startsWith("downsamplers") ? 2 : 1;
  const convolved = ops.conv2d(g, x, kernel, g.parameter(`${name}.bias`, [64]), { stride, padding: 1 });
  g.output("out", convolved);
  return g.finish();
}

const unchanged = (_: GraphBuilder, x: Value): Value => x;
const doubled = (g: GraphBuilder, x: Value): Value =>
  ops.upsampleNearest(g, x, 2 * (x.shape[2] ?? 0), 2 * (x.shape[3] ?? 0));

test.each([
  ["all neighbours at once", "upsamplers.0.conv", [8, 6], unchanged, 1],
  ["enlarged", "upsamplers.0.conv", [8, 6], doubled, 1],
  ["row by row", "upsamplers.0.conv", [32, 24], unchanged, 2],
  ["enlarged, row by row", "upsamplers.0.conv", [24, 20], doubled, 2],
  ["beside, to half its sides", "downsamplers.0.conv", [8, 6], unchanged, 1],
] as const)("%s", async (_, name, sides, change, products) => {
  const graph = graphOf(name, sides, change);
  const folder = join(await temporaryFolder(), "stored");
  mkdirSync(folder);
  await writeCheckpoint(graph, folder);
  const blocks = await quantizeIntoCache(await openWeights(folder), join(folder, "cache"), "unet");
  const feeds = { x: normals(2 * CHANNELS * sides[0] * sides[1]) };
  const lowering = cuda("float32", cudaVariants["nhwc-all-taps"]);
  const { nodes } = lower(graph, await bindWeights(await openWeights(blocks)), lowering);
  expect(nodes.filter(({ op }) => op === "MatMul")).toHaveLength(products);
  expect(nodes.filter(({ op }) => op.includes("Conv"))).toHaveLength(0);
  const result = await runLowered(graph, blocks, lowering, feeds, "cpu", onCpuOperations);
  expect(relativeError(result, await runLowered(graph, blocks, cpu, feeds))).toBeLessThan(1e-5);
});
