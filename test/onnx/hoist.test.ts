import { describe, expect, test } from "vitest";
import { checkGraph } from "../../src/onnx/check.ts";
import { type Graph, GraphBuilder } from "../../src/onnx/graph.ts";
import { hoist } from "../../src/onnx/hoist.ts";
import * as ops from "../../src/onnx/ops.ts";
import { type Feed, withSession, withTensors } from "../../src/runtime/session.ts";
import { openWeights, type WeightTable } from "../../src/weights/checkpoint.ts";
import { referenceVariant } from "../golden.ts";
import { publishedNetworks, tinyNetworks } from "./lower/networks.ts";
import { relativeError } from "./lower/run-lowered.ts";

const varying = ["sample", "timestep"];
const cpu = { executionProvider: "cpu" } as const;

/** The weights that the expected numbers were computed with: other variants of a set are other numbers. */
const openReference = async (folder: string): Promise<WeightTable> =>
  openWeights(folder, await referenceVariant(folder));

function hoisted(graph: Graph): NonNullable<ReturnType<typeof hoist>> {
  const parts = hoist(graph, varying);
  if (!parts) throw new Error("nothing is hoisted");
  return parts;
}

async function run(graph: Graph, folder: string, feeds: Readonly<Record<string, Feed>>): Promise<Map<string, Feed>> {
  return withSession(graph, await openReference(folder), { executionProvider: "cpu", threads: 1 }, async (use) => {
    const results = await use(feeds);
    return new Map([...results].map(([name, { data }]) => [name, data as Float32Array]));
  });
}

describe.each((await tinyNetworks()).filter(({ name }) => name.startsWith("unet")))(
  "$name in two",
  ({ graph, folder, feeds, expected }) => {
    const { once, rest } = hoisted(graph);

    test("is whole, and gives what it gave in one", async () => {
      checkGraph(once);
      checkGraph(rest);
      const results = await run(once, folder, feeds);
      const output = (await run(rest, folder, { ...feeds, ...Object.fromEntries(results) })).get("out_sample");
      expect(relativeError(output as Float32Array, expected.data)).toBeLessThan(1e-5);
    });

    test("passes on float16, tokens before samples, where it is told to", async () => {
      const parts = hoist(graph, varying, { dtype: "float16", tokensFirst: true });
      expect(parts?.once.outputs.every(({ dtype }) => dtype === "float16")).toBe(true);
      const swapped = parts?.once.outputs.filter(({ shape }) => shape.length === 3) ?? [];
      const plain = once.outputs.filter(({ shape }) => shape.length === 3);
      expect(swapped.map(({ shape: [length, batch, ...rest] }) => [batch, length, ...rest])).toEqual(
        plain.map(({ shape }) => shape),
      );
      const weights = await openReference(folder);
      const output = await withTensors(parts!.once, weights, cpu, "process", async (runOnce) => {
        const passed = await runOnce(feeds);
        return withTensors(parts!.rest, weights, cpu, "process", async (runRest) => {
          const results = await runRest({ ...feeds, ...passed });
          return results["out_sample"]?.data as Float32Array;
        });
      });
      expect(relativeError(output, expected.data)).toBeLessThan(1e-2);
    });

    test("has each weight on one side, and reads the text once", () => {
      const names = ({ parameters }: Graph): string[] => parameters.map(({ value }) => value.name);
      expect([...names(once), ...names(rest)].toSorted()).toEqual(names(graph).toSorted());
      expect(once.inputs.map(({ name }) => name)).not.toEqual(expect.arrayContaining(varying));
      expect(rest.inputs.map(({ name }) => name)).not.toContain("encoder_hidden_states");
    });
  },
);

test("of IF-I-XL, the text's keys and values: 44, and its vector", async () => {
  const xl = (await publishedNetworks()).find(({ name }) => name === "IF-I-XL");
  if (!xl) throw new Error("there is no IF-I-XL");
  const { once } = hoisted(xl.graph);
  expect(once.outputs.filter(({ shape }) => shape[1] === 77)).toHaveLength(44);
  expect(once.outputs).toHaveLength(45);
});

test("nothing is hoisted where all depends on what varies, or the unchanged is all there is", () => {
  const g = new GraphBuilder("net");
  const [x, y] = [g.input("sample", "float32", [2]), g.input("other", "float32", [2])];
  g.output("out", ops.add(g, x, y));
  expect(hoist(g.finish(), ["sample"])).toBeUndefined();
  expect(hoist(g.finish(), [])).toBeUndefined();
});
