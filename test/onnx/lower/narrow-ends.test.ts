import { describe, expect, test } from "vitest";
import { type Graph, GraphBuilder } from "../../../src/onnx/graph.ts";
import { cuda } from "../../../src/onnx/lower/cuda/cuda.ts";
import { cudaDefaults, cudaVariants } from "../../../src/onnx/lower/cuda/variants.ts";
import { lower } from "../../../src/onnx/lower/lower.ts";
import { narrowEnds } from "../../../src/onnx/lower/narrow-ends.ts";
import * as ops from "../../../src/onnx/ops.ts";
import { roundToFloat16 } from "../../../src/math/half.ts";
import { withSession } from "../../../src/runtime/session.ts";
import { publishedNetworks, weightsOf } from "./networks.ts";

const unets = (await publishedNetworks()).filter(({ name }) => ["IF-I-M", "IF-II-M", "x4 UNet"].includes(name));

const typesOf = ({ inputs, outputs }: Graph): string =>
  [...inputs, ...outputs].map(({ name, dtype }) => `${name} ${dtype}`).join(", ");

const variants = { ...cudaDefaults, plain: cudaVariants["plain"]! };
describe.each(Object.entries(variants))("lowered as %s", (_, choices) => {
  test.each(unets)("$name takes and gives float16 images, none of which is cast", ({ graph }) => {
    const lowering = cuda("float16", choices);
    const whole = lower(graph, weightsOf("float16"), lowering);
    const narrow = lower(graph, weightsOf("float16"), { ...lowering, narrowsImages: true });
    expect(typesOf(whole)).toMatch(/^sample float32, timestep float32, encoder_hidden_states float16/);
    const images = /(sample|out_sample) float32/g;
    expect(typesOf(narrow)).toBe(typesOf(whole).replaceAll(images, "$1 float16"));
    expect(narrow.nodes.length).toBe(whole.nodes.length - 2);
  });
});

test("in float32 nothing changes", () => {
  const { graph } = unets[0]!;
  const lowered = lower(graph, weightsOf("float32"), { ...cuda("float32"), narrowsImages: true });
  expect(typesOf(lowered)).toBe(typesOf(graph));
});

/** An image that is moved and cast, made another one in float32, cast and moved back; `further` adds to it. */
function image(further: (g: GraphBuilder, x: ReturnType<GraphBuilder["input"]>) => void = () => undefined): Graph {
  const g = new GraphBuilder("image");
  const x = g.input("sample", "float32", [2, 3, 2, 4]);
  further(g, x);
  const narrow = ops.cast(g, ops.transpose(g, x, [0, 2, 3, 1]), "float16");
  const wide = ops.cast(g, narrow, "float32");
  const made = ops.cast(g, ops.mul(g, wide, g.scalar(1.37)), "float16");
  g.output("out_sample", ops.cast(g, ops.transpose(g, made, [0, 3, 1, 2]), "float32"));
  return g.finish();
}

const numbers = Float32Array.from({ length: 48 }, (_, at) => Math.sin(at) * 3);
const run = (graph: Graph, sample: Float32Array): Promise<Float32Array> =>
  withSession(graph, null, { executionProvider: "cpu", weightMode: "mapped" }, async (session) => {
    const results = await session({ sample });
    return results.get("out_sample")!.data;
  });

test("the numbers stay", async () => {
  const narrow = narrowEnds(image(), "float16", true);
  expect(typesOf(narrow)).toBe("sample float16, out_sample float16");
  const given = await run(narrow, numbers);
  expect(given).toEqual(await run(image(), numbers));
  const rounded = given.slice();
  roundToFloat16(rounded);
  expect(given).toEqual(rounded);
});

test("images that something else reads, or that are not asked for, stay as they are", () => {
  const graph = image((g, x) => g.output("sum", ops.add(g, x, x)));
  expect(typesOf(narrowEnds(graph, "float16", true))).toBe("sample float32, sum float32, out_sample float16");
  expect(typesOf(narrowEnds(image(), "float16", false))).toBe("sample float32, out_sample float32");
});
