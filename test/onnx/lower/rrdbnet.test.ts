/** ESRGAN's network as it is lowered for each GPU, run on the CPU: the same numbers. */

import { describe, expect, test } from "vitest";
import { buildRrdbNet } from "../../../src/models/rrdbnet.ts";
import { cpu } from "../../../src/onnx/lower/cpu/cpu.ts";
import { cuda } from "../../../src/onnx/lower/cuda/cuda.ts";
import { type Lowering, lower } from "../../../src/onnx/lower/lower.ts";
import { webgpu } from "../../../src/onnx/lower/webgpu/webgpu.ts";
import { numbers, tinyConfig, tinyEsrgan, withEsrganFolder } from "../../models/tiny-esrgan.ts";
import { onCpuOperations } from "./cuda/on-cpu.ts";
import { weightsOf } from "./networks.ts";
import { relativeError, runLowered } from "./run-lowered.ts";

const graph = buildRrdbNet(tinyConfig, { batch: 1, height: 12, width: 10 });
const feeds = { image: numbers(3, 3 * 12 * 10) };

const run = (lowering: Lowering, rewrite?: typeof onCpuOperations): Promise<Float32Array> =>
  withEsrganFolder(tinyEsrgan(), (folder) => runLowered(graph, folder, lowering, feeds, "cpu", rewrite));

describe("the lowering for", async () => {
  const expected = await run(cpu);

  test("cuda, channels-last", async () => {
    const output = await run(cuda("float32"), onCpuOperations);
    expect(relativeError(output, expected)).toBeLessThan(1e-6);
  });

  test("webgpu", async () => {
    expect(relativeError(await run(webgpu("float32")), expected)).toBeLessThan(1e-6);
  });

  test("webgpu in float16: no convolution is left in float32", () => {
    const { nodes } = lower(graph, weightsOf("float16"), webgpu("float16"));
    const types = nodes.filter(({ op }) => /Conv/.test(op)).map(({ output }) => output.dtype);
    expect(types.length).toBeGreaterThan(30);
    expect(new Set(types)).toEqual(new Set(["float16"]));
  });
});
