/** Feature maps times a factor for each sample and channel, and a shift: large ones by a product, with the same numbers. */

import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { encodeModel } from "../../../../src/onnx/encode.ts";
import { type Graph, GraphBuilder } from "../../../../src/onnx/graph.ts";
import { castTo } from "../../../../src/onnx/lower/decompositions.ts";
import { scaledAndShifted } from "../../../../src/onnx/lower/cuda/scale.ts";
import { normals } from "../wide-networks.ts";
import { onCpuOperations } from "./on-cpu.ts";

const CHANNELS = 64;

function scaling(batch: number, samples: number, side: number, type: "float16" | "float32"): Graph {
  const g = new GraphBuilder("scaled");
  const x = castTo(g, g.input("x", "float32", [batch, side, side, CHANNELS]), type);
  const factor = castTo(g, g.input("factor", "float32", [samples, 1, 1, CHANNELS]), type);
  const shift = castTo(g, g.input("shift", "float32", [samples, 1, 1, CHANNELS]), type);
  g.output("out", castTo(g, scaledAndShifted(g, x, factor, shift), "float32"));
  return g.finish();
}

const productsIn = (graph: Graph): number => graph.nodes.filter(({ op }) => op === "MatMul").length;

test.each([
  ["by a product", 192, 1],
  ["number by number", 64, 0],
])("each pixel and channel is multiplied by its sample's factor and shifted, %s", async (_, side, products) => {
  const graph = scaling(2, 2, side, "float16");
  expect(productsIn(graph)).toBe(products);
  const [x, factor, shift] = [normals(2 * side ** 2 * CHANNELS), normals(2 * CHANNELS), normals(2 * CHANNELS)];
  const session = await ort.InferenceSession.create(encodeModel(onCpuOperations(graph), 20, (file) => file));
  const { out } = await session.run({
    x: new ort.Tensor("float32", x, [2, side, side, CHANNELS]),
    factor: new ort.Tensor("float32", factor, [2, 1, 1, CHANNELS]),
    shift: new ort.Tensor(
      "float32",
      shift.map((one) => 8 * one),
      [2, 1, 1, CHANNELS],
    ),
  });
  await session.release();
  const perSample = x.length / 2;
  const furthest = (out!.data as Float32Array).reduce((most, value, at) => {
    const channel = Math.floor(at / perSample) * CHANNELS + (at % CHANNELS);
    return Math.max(most, Math.abs(value - (x[at]! * factor[channel]! + 8 * shift[channel]!)));
  }, 0);
  expect(furthest).toBeLessThan(0.05); // float16, of numbers up to 50
});

test.each([
  ["a small map", scaling(2, 2, 64, "float16")],
  ["a map so large that another one is too much", scaling(8, 8, 512, "float16")],
  ["one sample", scaling(1, 1, 512, "float16")],
  ["one factor for all samples", scaling(2, 1, 256, "float16")],
  ["float32, which a GPU would round", scaling(2, 2, 256, "float32")],
])("%s is multiplied number by number", (_, graph) => {
  expect(productsIn(graph)).toBe(0);
});
