/**
 * @module runtime/list-providers
 * Which execution providers this onnxruntime knows, and whether one of them works here.
 */

import * as ort from "onnxruntime-node";
import { encodeModel } from "../onnx/encode.ts";
import { GraphBuilder } from "../onnx/graph.ts";
import { cpu } from "../onnx/lower/cpu/cpu.ts";
import { providers } from "../onnx/lower/providers.ts";
import { add } from "../onnx/ops.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";

export interface Provider {
  readonly name: string;
  /** Part of the npm package; the others' libraries must be installed. */
  readonly bundled: boolean;
}

export function listProviders(): Provider[] {
  return ort.listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }));
}

/**
 * Adds two numbers with the provider: what a list of names cannot tell.
 * @param deviceId which NVIDIA GPU; the first if absent.
 * @throws {Error} onnxruntime's own words: a library or the device is missing.
 */
export async function tryProvider(name: ExecutionProvider, deviceId?: number): Promise<void> {
  ort.env.logLevel = "fatal"; // what goes wrong is thrown; it need not be printed too
  const g = new GraphBuilder("try-provider");
  const x = g.input("x", "float32", [2]);
  g.output("y", add(g, x, x));
  const session = await ort.InferenceSession.create(
    encodeModel(g.finish(), cpu.opset, (file) => file),
    {
      executionProviders: [deviceId !== undefined && providers[name].takesDeviceId ? { name, deviceId } : name],
      logSeverityLevel: 4,
    },
  );
  try {
    const { y } = await session.run({ x: new ort.Tensor("float32", [1, 2], [2]) });
    if (y?.data[1] !== 4) throw new Error(`2 + 2 is ${String(y?.data[1])}`);
  } finally {
    await session.release();
  }
}
