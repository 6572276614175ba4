/** Images in float16 at a session's ends, which the tests' provider has for graphs that say so themselves. */

import { expect, test } from "vitest";
import { float16ToFloat32, float32ToFloat16 } from "../../src/math/half.ts";
import { inMicroBatches } from "../../src/networks/micro-batches.ts";
import { GraphBuilder } from "../../src/onnx/graph.ts";
import * as ops from "../../src/onnx/ops.ts";
import { type Run, withSession } from "../../src/runtime/session.ts";

const shape = [1, 2, 3, 2];
const sample = Float32Array.from({ length: 12 }, (_, at) => Math.cos(at));
const halves = float32ToFloat16(sample);
const expected = float16ToFloat32(halves).map((value) => -value);

function withNegation<T>(use: (run: Run) => Promise<T>): Promise<T> {
  const g = new GraphBuilder("negation");
  const x = ops.cast(g, g.input("sample", "float16", shape), "float32");
  g.output("out", ops.cast(g, ops.mul(g, x, g.scalar(-1)), "float16"));
  return withSession(g.finish(), null, { executionProvider: "cpu" }, use);
}

test.each([
  ["its own memory", (bytes: number) => new ArrayBuffer(bytes)],
  ["memory that threads share", (bytes: number) => new SharedArrayBuffer(bytes)],
])("halves in, halves and float32 out, in %s", async (_, memory) => {
  await withNegation(async (run) => {
    const [asHalves, asFloats] = [new Uint16Array(memory(24)), new Float32Array(memory(48))];
    expect(await run({ sample: halves }, asHalves)).toEqual(new Map());
    expect(float16ToFloat32(asHalves)).toEqual(expected);
    const results = await run({ sample: halves }, asFloats);
    expect(results.get("out")!.data).toBe(asFloats);
    expect(Float32Array.from(asFloats)).toEqual(expected);
  });
});

test("float32 in and out; what is fed again in its place may have changed", async () => {
  await withNegation(async (run) => {
    const fed = sample.slice();
    expect(await run({ sample: fed })).toEqual(new Map([["out", { data: expected, shape }]]));
    fed.fill(2);
    const again = await run({ sample: fed });
    expect(again.get("out")!.data).toEqual(new Float32Array(12).fill(-2));
  });
});

test("in micro-batches", async () => {
  await withNegation(async (run) => {
    const into = new Uint16Array(new SharedArrayBuffer(48));
    const twice = Uint16Array.from([...halves, ...halves.toReversed()]);
    await inMicroBatches(run, 2)({ sample: twice }, into);
    expect(float16ToFloat32(into)).toEqual(Float32Array.from([...expected, ...expected.toReversed()]));
  });
});

test("a place of another size, and halves for what is float32, are mistakes of ours", async () => {
  await withNegation(async (run) => {
    await expect(run({ sample: halves }, new Uint16Array(11))).rejects.toThrow("does not fit into 11 numbers");
  });
  const g = new GraphBuilder("copy");
  g.output("out", g.input("sample", "float32", [2]));
  const failed = withSession(g.finish(), null, { executionProvider: "cpu" }, (run) =>
    run({ sample: Uint16Array.of(1, 2) }),
  );
  await expect(failed).rejects.toThrow("sample is float32, fed with Uint16Array");
});
