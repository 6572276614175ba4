/** What sessions are told, as far as it can be known without a GPU: the library takes it, and the numbers are right. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { encodeModel } from "../../src/onnx/encode.ts";
import { GraphBuilder } from "../../src/onnx/graph.ts";
import { lowerFor } from "../../src/onnx/lower/providers.ts";
import { feedTensor } from "../../src/runtime/session.ts";
import * as ops from "../../src/onnx/ops.ts";
import { externalLocation, sessionOptions } from "../../src/runtime/execution-providers.ts";
import { withFolder } from "../models/checkpoint-copy.ts";
import type { ExecutionProvider } from "../../src/onnx/lower/provider-names.ts";

const names = Object.keys(sessionOptions) as ExecutionProvider[];

test("there are three", () => {
  expect(names.sort()).toEqual(["cpu", "cuda", "webgpu"]);
});

test("a GPU is named to CUDA alone", () => {
  expect(sessionOptions.cuda("mapped", { deviceId: 1 }).executionProviders).toEqual([{ name: "cuda", deviceId: 1 }]);
  expect(sessionOptions.webgpu("mapped", { deviceId: 1 })).toEqual(sessionOptions.webgpu("mapped"));
});

test("unpacked kernels are never constants on cuda: with weights in blocks small ones are folded only where no kernel is unpacked", () => {
  const isFolding = (fewPixels: boolean): boolean => {
    const { extra } = sessionOptions.cuda("mapped", { weightFormat: "blocks", fewPixels });
    return !JSON.stringify(extra).includes("ConstantFolding");
  };
  expect(isFolding(false)).toBe(false);
  expect(isFolding(true)).toBe(true);
});

test("a text in float16 arrives as it was fed, whatever class Node has for such numbers", async () => {
  const g = new GraphBuilder("text");
  const text = g.input("text", "float16", [1, 2, 3]);
  g.output("out", g.op("Cast", [text], { to: ops.text("float32") }));
  const graph = g.finish();
  const session = await ort.InferenceSession.create(
    encodeModel(graph, 20, externalLocation),
    sessionOptions.cpu("mapped"),
  );
  const numbers = Float32Array.of(1, -2, 0.5, 1024, 0, 3.14159);
  const run = async (fed: Float32Array): Promise<unknown> =>
    (await session.run({ text: feedTensor(graph, text, { text: fed }) }))["out"]?.data;
  const halves = Float32Array.of(1, -2, 0.5, 1024, 0, 3.140625);
  expect(await run(numbers)).toEqual(halves);
  expect(await run(numbers)).toEqual(halves); // the conversion of before
  expect(await run(numbers.subarray().map((value) => -value))).toEqual(halves.map((value) => -value));
  await session.release();
});

test("CUDA has no arena that doubles, and weights go to the GPU without a copy in the process", () => {
  expect(sessionOptions.cuda("mapped").extra).toMatchObject({
    session: { use_device_allocator_for_initializers: "1" },
    ep: { cuda: { arena: { use_cuda_mempool: "1" } } },
  });
  expect(sessionOptions.webgpu("mapped").extra).toMatchObject({
    session: { use_device_allocator_for_initializers: "1" },
  });
});

test("the CPU keeps its buffers and its order of nodes where it is told to, and never unpacked weights", () => {
  expect(sessionOptions.cpu("expanded")).toMatchObject({ enableCpuMemArena: false, graphOptimizationLevel: "all" });
  expect(sessionOptions.cpu("expanded").extra).toMatchObject({ session: { intra_op: { allow_spinning: "0" } } });
  expect(sessionOptions.cpu("expanded", { keepBuffers: true, inOrder: true })).toMatchObject({
    enableCpuMemArena: true,
    graphOptimizationLevel: "extended",
  });
  expect(sessionOptions.cpu("mapped", { keepBuffers: true, inOrder: true })).toMatchObject({
    enableCpuMemArena: false,
    graphOptimizationLevel: "disabled",
  });
});

describe.each(names)("%s", (name) => {
  test("asks for itself, and for nothing that would stand in silently", () => {
    const listed = sessionOptions[name]("mapped").executionProviders ?? [];
    expect(listed.map((provider) => (typeof provider === "string" ? provider : provider.name))).toEqual([name]);
  });

  test("options are texts, as the binding demands, and weights come from their file", async () => {
    const g = new GraphBuilder("test");
    g.output("out", ops.linear(g, g.input("x", "float32", [1, 2]), g.parameter("w", [2, 2]), null));
    await withFolder(async (folder) => {
      const file = join(folder, "weights");
      await writeFile(file, new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
      const place = { file, offset: 0, byteLength: 16, dtype: "float32" } as const;
      const lookUp = (weight: string, shape: readonly number[]) => ({ name: weight, shape, ...place });
      const settings = { computeType: "float32", weightFormat: "stored" } as const;
      const { graph, opset } = lowerFor(name, g.finish(), lookUp, settings);
      const session = await ort.InferenceSession.create(encodeModel(graph, opset, externalLocation), {
        ...sessionOptions[name]("mapped"),
        executionProviders: ["cpu"],
      });
      const { out } = await session.run({ x: new ort.Tensor("float32", [10, 1], [1, 2]) });
      expect(Array.from(out?.data as Float32Array)).toEqual([12, 34]);
      await session.release();
    });
  });
});
