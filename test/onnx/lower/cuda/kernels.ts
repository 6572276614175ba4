/** Which operations onnxruntime's CUDA provider has kernels for: test/golden/ort/cuda-kernels.json. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { DType, Graph, Node } from "../../../../src/onnx/graph.ts";

const table = z
  .object({
    /** Of each operation: the opsets at which ONNX revised it. */
    versions: z.record(z.string(), z.array(z.int()).min(1)),
    kernels: z
      .array(
        z.object({
          op: z.string(),
          since: z.int(),
          until: z.int().nullable(),
          types: z.record(z.string(), z.array(z.string())),
        }),
      )
      .min(1),
  })
  .parse(
    JSON.parse(readFileSync(fileURLToPath(new URL("../../../golden/ort/cuda-kernels.json", import.meta.url)), "utf8")),
  );

/** Type parameters of inputs, in order, and of the output, where they are not all T. int64 shapes are fixed types. */
const signatures: Readonly<Record<string, { inputs: readonly string[]; output: string }>> = {
  Cast: { inputs: ["T1"], output: "T2" },
  DequantizeLinear: { inputs: ["T1", "T2", "T1"], output: "T2" },
  Gather: { inputs: ["T", "Tind"], output: "T" },
  Identity: { inputs: ["V"], output: "V" },
  Resize: { inputs: ["T1"], output: "T1" },
  // of a group norm, weight and bias are always float32, and no matter of the kernel's types
  "com.microsoft.GroupNorm": { inputs: ["T", "float32", "float32"], output: "T" },
  "com.microsoft.SkipGroupNorm": { inputs: ["T", "float32", "float32", "T", "T"], output: "T" },
  "com.microsoft.MatMulNBits": { inputs: ["T1", "T2", "T3"], output: "T1" },
  SimplifiedLayerNormalization: { inputs: ["T", "V"], output: "V" },
};

/** Nodes that are results of one operation, by what it is. */
const operations: Readonly<Record<string, string>> = {
  GramMatrix: "com.microsoft.FusedMatMul",
  ConvOfKernelLast: "com.ms.internal.nhwc.Conv",
  Part: "Split",
  SkipGroupSum: "com.microsoft.SkipGroupNorm",
  SkipSum: "com.microsoft.SkipLayerNormalization",
};

/** @returns why nodes of the graph would not run on the GPU, each reason once. */
export function missingKernels({ nodes }: Graph, opset: number): string[] {
  const reasons = nodes.map((node) => whyNoKernel(node, opset));
  return [...new Set(reasons.filter((reason) => reason !== undefined))];
}

/** @returns why the node would not run on the GPU; undefined: it has a kernel. */
export function whyNoKernel(node: Node, opset: number): string | undefined {
  const { inputs, output } = node;
  const op = operations[node.op] ?? node.op;
  const version = table.versions[op]?.findLast((since) => op.startsWith("com.microsoft.") || since <= opset);
  if (version === undefined) return `${op} is not in opset ${opset}, or not in the table`;
  const ofOp = table.kernels.filter((kernel) => kernel.op === op);
  // A kernel without an end is for the version it begins with, and for no later one.
  const kernel = ofOp.find(({ since, until }) => since <= version && version <= (until ?? since));
  if (!kernel) return `${op}-${version} has no kernel`;
  const signature = signatures[op];
  const missing = (parameter: string, dtype: DType): boolean =>
    parameter === "float32" ? dtype !== "float32" : !kernel.types[parameter]?.includes(dtype);
  const wrong = [
    ...inputs.map(
      (value, at) =>
        value && missing(node.op === op ? (signature?.inputs[at] ?? "T") : "T", value.dtype) && value.dtype,
    ),
    missing(signature?.output ?? "T", output.dtype) && output.dtype,
  ].find((dtype) => typeof dtype === "string");
  return wrong === undefined ? undefined : `${op}-${version} has no kernel for ${wrong}`;
}
