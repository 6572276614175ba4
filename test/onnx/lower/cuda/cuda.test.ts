/** Every network lowered for CUDA: each node has a kernel there, and the numbers are the reference's. */

import { describe, expect, test } from "vitest";
import { GraphBuilder, type Node } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import { missingKernels, whyNoKernel } from "./kernels.ts";
import { publishedNetworks, tinyNetworks, weightsOf } from "../networks.ts";
import { relativeError, runLowered } from "../run-lowered.ts";
import { cudaVariants } from "../../../../src/onnx/lower/cuda/variants.ts";
import { onCpuOperations } from "./on-cpu.ts";

const networks = await publishedNetworks();
const tiny = await tinyNetworks();

describe.each(networks)("$name has a kernel for every node", ({ graph }) => {
  test.each([
    ["float32", "float32"],
    ["float32", "float16"],
    ["float32", "int8"],
    ["float16", "float16"],
    ["float16", "bfloat16"],
    ["float16", "int8"],
  ] as const)("computed in %s, stored as %s", (type, stored) => {
    const lowering = cuda(type);
    const lowered = lower(graph, weightsOf(stored), lowering);
    expect(lowered.nodes.length).toBeGreaterThan(50);
    expect(missingKernels(lowered, lowering.opset)).toEqual([]);
  });
});

test("in float16 no product is left in float32", () => {
  const products = networks.flatMap(({ graph }) =>
    lower(graph, weightsOf("float16"), cuda("float16")).nodes.filter(({ op }) => /Gemm|MatMul|Conv|Attention/.test(op)),
  );
  expect(products.length).toBeGreaterThan(500);
  expect([...new Set(products.map(({ output }) => output.dtype))]).toEqual(["float16"]);
});

describe("the table notices", () => {
  const g = new GraphBuilder("test");
  const node = (op: string, dtype: "float32" | "int64"): Node => {
    const x = g.input(`${op} ${dtype}`, dtype, [1, 2, 3]);
    return { name: op, op, inputs: [x], output: x, attributes: {} };
  };
  test.each([
    ["InstanceNormalization", 22, "InstanceNormalization-22 has no kernel"],
    ["Identity", 21, "Identity-21 has no kernel"],
    ["Gelu", 19, "Gelu is not in opset 19, or not in the table"],
    ["GroupNormalization", 20, "GroupNormalization is not in opset 20, or not in the table"],
  ])("%s at opset %i", (op, opset, reason) => {
    expect(whyNoKernel(node(op, "float32"), opset)).toBe(reason);
  });

  test("a whole network, lowered for another device or encoded at another opset", () => {
    const unet = networks.find(({ name }) => name === "IF-I-M");
    if (!unet) throw new Error("there is no IF-I-M");
    expect(missingKernels(lower(unet.graph, weightsOf("float32"), cpu), cpu.opset)).toEqual(
      expect.arrayContaining(["InstanceNormalization-22 has no kernel"]),
    );
    expect(missingKernels(lower(unet.graph, weightsOf("float32"), cuda("float32", cudaVariants["plain"])), 22)).toEqual(
      expect.arrayContaining(["InstanceNormalization-22 has no kernel", "Sin-22 has no kernel"]),
    );
  });

  test("an operation that is not listed, anywhere in a graph", () => {
    const x = g.input("an image", "float32", [1, 4]);
    const listed: Node = { name: "a", op: "Sqrt", inputs: [x], output: { ...x, name: "root" }, attributes: {} };
    const unlisted: Node = { ...listed, name: "b", op: "MeanVarianceNormalization", inputs: [listed.output] };
    expect(missingKernels({ ...g.finish(), nodes: [listed] }, 20)).toEqual([]);
    expect(missingKernels({ ...g.finish(), nodes: [listed, unlisted] }, 20)).toEqual([
      "MeanVarianceNormalization is not in opset 20, or not in the table",
    ]);
  });

  test("a type without a kernel", () => {
    expect(whyNoKernel(node("Softmax", "int64"), 20)).toBe("Softmax-13 has no kernel for int64");
    expect(whyNoKernel(node("Softmax", "float32"), 20)).toBeUndefined();
  });
});

/** What the fused operations mean, in plain ones: the same numbers as on the CPU. */
describe.each(Object.entries(cudaVariants))("variant %s", (_, choices) => {
  describe.each(tiny)("$name on the CPU as lowered for CUDA", ({ graph, folder, feeds, expected }) => {
    test("in float32", async () => {
      const output = await runLowered(graph, folder, cuda("float32", choices), feeds, "cpu", onCpuOperations);
      expect(relativeError(output, expected.data)).toBeLessThan(1e-5);
    });
  });
});
