import { expect, test } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { GraphBuilder, type Value } from "../../src/onnx/graph.ts";
import * as ops from "../../src/onnx/ops.ts";
import { broadcast } from "../../src/onnx/shapes.ts";

const builder = () => new GraphBuilder("shapes");
const value = (g: GraphBuilder, ...shape: number[]): Value => g.input(`x${Math.random()}`, "float32", shape);

type Case = [string, (g: GraphBuilder) => Value, number[]];
const cases: Case[] = [
  ["Add broadcasts", (g) => ops.add(g, value(g, 2, 1, 4), value(g, 3, 1)), [2, 3, 4]],
  ["Reshape fills in -1", (g) => ops.reshape(g, value(g, 2, 3, 4), [2, -1]), [2, 12]],
  ["Transpose", (g) => ops.transpose(g, value(g, 2, 3, 4), [2, 0, 1]), [4, 2, 3]],
  ["Concat", (g) => ops.concat(g, [value(g, 2, 3), value(g, 2, 5)], 1), [2, 8]],
  ["Slice", (g) => ops.slice(g, value(g, 2, 9), 1, 3, 7), [2, 4]],
  ["Expand", (g) => ops.expand(g, value(g, 1, 4), [3, 4]), [3, 4]],
  ["MatMul with batches", (g) => ops.matMul(g, value(g, 6, 2, 3), value(g, 3, 5)), [6, 2, 5]],
  ["Linear keeps leading axes", (g) => ops.linear(g, value(g, 2, 7, 3), value(g, 5, 3), value(g, 5)), [2, 7, 5]],
  [
    "Conv, same size",
    (g) => ops.conv2d(g, value(g, 1, 3, 9, 8), value(g, 4, 3, 3, 3), null, { padding: 1 }),
    [1, 4, 9, 8],
  ],
  [
    "Conv, stride 2, padding below and right",
    (g) => ops.conv2d(g, value(g, 1, 3, 8, 8), value(g, 4, 3, 3, 3), null, { stride: 2, padding: [0, 0, 1, 1] }),
    [1, 4, 4, 4],
  ],
  ["AveragePool drops an odd row", (g) => ops.averagePool2x(g, value(g, 1, 3, 9, 8)), [1, 3, 4, 4]],
  ["UpsampleNearest", (g) => ops.upsampleNearest(g, value(g, 1, 3, 5, 4), 9, 8), [1, 3, 9, 8]],
  [
    "GroupNorm takes a row per sample",
    (g) => ops.groupNorm(g, value(g, 2, 8, 3), value(g, 2, 8), value(g, 2, 8), { groups: 4, epsilon: 1e-5 }),
    [2, 8, 3],
  ],
  [
    "Attention",
    (g) => ops.attention(g, value(g, 2, 5, 12), value(g, 2, 7, 12), value(g, 2, 7, 6), { heads: 3, scale: 1 }),
    [2, 5, 6],
  ],
];

test.each(cases)("%s", (_, build, shape) => {
  expect(build(builder()).shape).toEqual(shape);
});

const refusals: [string, (g: GraphBuilder) => Value][] = [
  ["Add of sides that differ", (g) => ops.add(g, value(g, 2, 3), value(g, 2, 4))],
  ["Add of types that differ", (g) => ops.add(g, value(g, 2), g.input("i", "int64", [2]))],
  ["Reshape to another count", (g) => ops.reshape(g, value(g, 2, 3), [4, 2])],
  ["Transpose by a list that repeats", (g) => ops.transpose(g, value(g, 2, 3), [0, 0])],
  ["Concat of other ranks", (g) => ops.concat(g, [value(g, 2, 3), value(g, 2)], 1)],
  ["Slice past the end", (g) => ops.slice(g, value(g, 2, 3), 1, 1, 4)],
  ["MatMul", (g) => ops.matMul(g, value(g, 2, 3), value(g, 4, 5))],
  ["Linear with another bias", (g) => ops.linear(g, value(g, 2, 3), value(g, 5, 3), value(g, 4))],
  ["Conv of other channels", (g) => ops.conv2d(g, value(g, 1, 4, 8, 8), value(g, 4, 3, 3, 3), null)],
  [
    "GroupNorm of a remainder",
    (g) => ops.groupNorm(g, value(g, 1, 6, 2), value(g, 6), value(g, 6), { groups: 4, epsilon: 1 }),
  ],
  [
    "Attention of other keys",
    (g) => ops.attention(g, value(g, 1, 2, 8), value(g, 1, 3, 6), value(g, 1, 3, 8), { heads: 2, scale: 1 }),
  ],
  ["an unknown operation", (g) => g.op("Nope", [value(g, 1)])],
];

test.each(refusals)("refused: %s", (_, build) => {
  expect(() => build(builder())).toThrow(ShapeError);
});

test("broadcast follows NumPy", () => {
  expect(broadcast([], [3])).toEqual([3]);
  expect(broadcast([4, 1], [1, 5])).toEqual([4, 5]);
  expect(() => broadcast([2], [3])).toThrow(ShapeError);
});
