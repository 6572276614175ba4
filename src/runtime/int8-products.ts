/**
 * @module runtime/int8-products
 * Whether onnxruntime sums products of 8-bit numbers exactly on this CPU: on x86 only with VNNI. Asked by letting it
 * sum two, since no library of Node's tells.
 */

import * as ort from "onnxruntime-node";
import { encodeModel } from "../onnx/encode.ts";
import { GraphBuilder } from "../onnx/graph.ts";
import type { ActivationBits } from "../onnx/int8-activations.ts";
import { cpu } from "../onnx/lower/cpu/cpu.ts";
import * as ops from "../onnx/ops.ts";
import { externalLocation, sessionOptions } from "./execution-providers.ts";

/** The largest of both types: two such products exceed 2^15, which VNNI alone does not mind. */
const [ACTIVATION, WEIGHT, COUNT] = [255, 127, 64];

let bits: Promise<ActivationBits> | undefined;

/** @returns 8 where sums of 8-bit products are exact, else 7, of which all are. */
export function exactActivationBits(): Promise<ActivationBits> {
  return (bits ??= measureBits());
}

async function measureBits(): Promise<ActivationBits> {
  const g = new GraphBuilder("sum of 8-bit products");
  const x = g.input("x", "float32", [1, COUNT]);
  const steps = ops.cast(g, x, "uint8");
  const weight = g.constant(new Int8Array(COUNT).fill(WEIGHT), [COUNT, 1]);
  const sum = g.op("MatMulInteger", [steps, weight, g.constant(Uint8Array.of(0), [])]);
  g.output("sum", ops.cast(g, sum, "float32"));
  const model = encodeModel(g.finish(), cpu.opset, externalLocation);
  const session = await ort.InferenceSession.create(model, sessionOptions.cpu("mapped"));
  try {
    const result = await session.run({ x: new ort.Tensor(new Float32Array(COUNT).fill(ACTIVATION), [1, COUNT]) });
    return Number(result["sum"]?.data[0]) === ACTIVATION * WEIGHT * COUNT ? 8 : 7;
  } finally {
    await session.release();
  }
}
