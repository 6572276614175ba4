import { describe, expect, test } from "vitest";
import { type Graph, GraphBuilder } from "../../src/onnx/graph.ts";
import { hoist } from "../../src/onnx/hoist.ts";
import { providers as traits } from "../../src/onnx/lower/providers.ts";
import type { ExecutionProvider } from "../../src/onnx/lower/provider-names.ts";
import * as ops from "../../src/onnx/ops.ts";
import { type HoistedParts, withHoistedSession } from "../../src/runtime/hoisted-session.ts";
import { type Feed, withSession } from "../../src/runtime/session.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { tinyNetworks } from "../onnx/lower/networks.ts";
import { relativeError } from "../onnx/lower/run-lowered.ts";

const cpu = { executionProvider: "cpu", threads: 1 } as const;
/** Also on a device, where one is named: IF_GEN_TEST_PROVIDERS=webgpu; what is kept lies there. */
const named = (process.env["IF_GEN_TEST_PROVIDERS"] ?? "").split(",").filter((name) => name === "webgpu");
const providers = ["cpu", ...named] as const;
const varying = ["sample", "timestep"];

function partsOf(
  graph: Graph,
  inputs: readonly string[],
  provider: "cpu" | "webgpu",
  once: ExecutionProvider,
): HoistedParts {
  const form = traits[provider].hoistedForm?.({ computeType: "float32", weightFormat: "stored" });
  const parts = form && hoist(graph, inputs, form);
  if (!parts) throw new Error(`${graph.name}: nothing is hoisted`);
  return { ...parts, onceProvider: once };
}

describe.each((await tinyNetworks()).filter(({ name }) => name.startsWith("unet")))(
  "$name, step after step",
  ({ graph, folder, feeds }) => {
    const changed = (name: string): Readonly<Record<string, Feed>> => {
      const feed = feeds[name];
      return feed instanceof Float32Array ? { ...feeds, [name]: feed.map((value) => 0.5 * value - 0.1) } : feeds;
    };
    const steps = [feeds, changed("sample"), changed("timestep"), changed("encoder_hidden_states"), feeds];

    const ways = providers.flatMap((provider) => [1, 2].map((kept) => [provider, kept] as const));
    test.each(ways)("on %s is what it is in one session, with %i texts kept", async (provider, kept) => {
      const parts = partsOf(
        graph,
        varying,
        provider as "cpu" | "webgpu",
        kept > 1 ? "cpu" : (provider as "cpu" | "webgpu"),
      );
      const weights = await openWeights(folder);
      const all = async (
        run: (feeds: Readonly<Record<string, Feed>>) => Promise<ReadonlyMap<string, { data: Float32Array }>>,
      ) => {
        const results: Float32Array[] = [];
        for (const step of steps) results.push((await run(step)).get("out_sample")?.data ?? new Float32Array());
        return results;
      };
      const expected = await withSession(graph, weights, cpu, all);
      const settings = { executionProvider: provider as "cpu" | "webgpu", threads: 1 };
      const actual = await withHoistedSession(parts, kept, weights, settings, all);
      expect(actual).toHaveLength(steps.length);
      for (const [at, result] of actual.entries()) {
        expect(relativeError(result, expected[at] ?? [])).toBeLessThan(1e-5);
      }
      expect(relativeError(actual[3] ?? new Float32Array(), actual[0] ?? [])).toBeGreaterThan(1e-3); // another text
    });
  },
);

test("a feed that was written over is a new one", async () => {
  const g = new GraphBuilder("sum");
  const [x, y] = [g.input("sample", "float32", [2]), g.input("text", "float32", [2])];
  g.output("out", ops.add(g, x, ops.mul(g, y, y)));
  const parts = partsOf(g.finish(), ["sample"], "cpu", "cpu");
  await withHoistedSession(parts, 1, null, cpu, async (run) => {
    const [sample, text] = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
    expect((await run({ sample, text })).get("out")?.data).toEqual(Float32Array.of(10, 18));
    text[0] = 5;
    expect((await run({ sample, text })).get("out")?.data).toEqual(Float32Array.of(26, 18));
  });
});
