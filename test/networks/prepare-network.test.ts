/** From a description to the graphs that are opened, told from the tiny checkpoints; nothing is loaded. */

import { describe, expect, test } from "vitest";
import type { NetworkDescription } from "../../src/networks/description.ts";
import { type Graph, GraphBuilder } from "../../src/onnx/graph.ts";
import { describeIfUnet } from "../../src/networks/if-unet.ts";
import { asQuantized, expectedWeights } from "../../src/networks/network-weights.ts";
import { type PreparedNetwork, prepareNetwork } from "../../src/networks/prepare-network.ts";
import { describeT5Encoder } from "../../src/networks/text-encoder.ts";
import { describeUpscaler } from "../../src/networks/upscaler.ts";
import type { ExecutionProvider } from "../../src/onnx/lower/provider-names.ts";
import type { LowMemory } from "../../src/plan/plan.ts";
import type { Variant } from "../../src/weights/variants.ts";
import { goldenPath, storedVariant } from "../golden.ts";

const shape = { images: 2, guidanceScale: 7, width: 24, height: 24 };
const unet = await describeIfUnet(goldenPath("checkpoints/if-i"), shape);
const t5 = await describeT5Encoder(goldenPath("checkpoints/if-i"), { texts: 2 });
const upscaler = await describeUpscaler(goldenPath("checkpoints/x4-upscaler"), { ...shape, width: 192, height: 192 });

async function prepare(
  network: NetworkDescription,
  { provider = "cpu", ...lowMemory }: LowMemory & { provider?: ExecutionProvider } = {},
): Promise<PreparedNetwork> {
  const weights = await expectedWeights(network, { variant: storedVariant });
  return prepareNetwork(network, weights, { provider, ...lowMemory });
}

test.each([
  ["cuda", "fp16", true, true],
  ["cuda", "fp16", false, false],
  ["cuda", "fp32", true, false],
  ["webgpu", "fp16", true, false],
  ["cpu", "fp16", true, false],
] as const)(
  "%s with %s weights, images in float16 asked for: %s; passed on so: %s",
  async (provider, variant, asked, given) => {
    const weights = { ...(await expectedWeights(unet, { variant: storedVariant })), variant };
    const { lowering } = prepareNetwork(unet, weights, { provider, narrowsImages: asked });
    expect(lowering.narrowsImages ?? false).toBe(given);
  },
);

const namesOf = (values: readonly { readonly name: string }[]): string[] => values.map(({ name }) => name).sort();
const batchOf = ({ graph }: PreparedNetwork): number | undefined =>
  graph.inputs.find(({ name }) => name === "sample")?.shape[0];

describe("micro-batches", () => {
  test("guidance doubles the images, and all of them make the batch", async () => {
    const prepared = await prepare(unet);
    expect([batchOf(prepared), prepared.microBatches]).toEqual([4, 1]);
    const unguided = await describeIfUnet(goldenPath("checkpoints/if-i"), { ...shape, guidanceScale: 1 });
    expect(batchOf(await prepare(unguided))).toBe(2);
  });

  test.each([
    [1, 1, 4],
    [2, 2, 2],
    [3, 2, 2],
    [4, 4, 1],
    [100, 4, 1],
  ])("at most %i at once: the graph is for %i, and runs %i times", async (microBatch, samples, times) => {
    const prepared = await prepare(unet, { microBatch });
    expect([batchOf(prepared), prepared.microBatches]).toEqual([samples, times]);
    expect(batchOf({ ...prepared, graph: prepared.parts!.rest })).toBe(samples);
  });
});

describe("tiles", () => {
  test("the decoder's feature maps are computed in tiles of so many bytes, and their buffers are kept", async () => {
    const [whole, tiled] = [await prepare(upscaler.decoder), await prepare(upscaler.decoder, { tileBytes: 2 ** 19 })];
    expect([whole.tiled, tiled.tiled]).toEqual([false, true]);
    expect([whole.keepBuffers, tiled.keepBuffers]).toEqual([false, true]);
    expect(tiled.graph.nodes.length).toBeGreaterThan(whole.graph.nodes.length);
    expect(tiled.graph.outputs).toEqual(whole.graph.outputs);
    const smaller = await prepare(upscaler.decoder, { tileBytes: 2 ** 17 });
    expect(smaller.graph.nodes.length).toBeGreaterThan(tiled.graph.nodes.length);
  });

  test.each([
    ["T5", t5],
    ["a UNet", unet],
    ["the upscaler's UNet", upscaler.unet],
    ["CLIP", upscaler.text],
  ])("%s has none, whatever is asked for", async (_, network) => {
    const prepared = await prepare(network, { tileBytes: 2 ** 10 });
    expect(prepared.tiled).toBe(false);
    expect(prepared.graph.nodes).toHaveLength((await prepare(network)).graph.nodes.length);
  });
});

describe("what is computed once for all steps", () => {
  test.each([
    ["cpu", {}, "cpu"],
    ["cpu", { microBatch: 2 }, "cpu"],
    ["webgpu", {}, "webgpu"],
    ["webgpu", { microBatch: 2 }, "cpu"], // the GPU is full where micro-batches are needed
  ] as const)("a UNet on %s, %j: on %s", async (provider, lowMemory, place) => {
    const { parts, graph, keepBuffers } = await prepare(unet, { provider, ...lowMemory });
    expect(parts?.onceProvider).toBe(place);
    expect(namesOf(parts?.once.inputs ?? [])).toEqual(["encoder_hidden_states"]);
    const given = namesOf(parts?.once.outputs ?? []);
    expect(given.length).toBeGreaterThan(0);
    expect(namesOf(parts?.rest.inputs ?? [])).toEqual(expect.arrayContaining(["sample", "timestep", ...given]));
    expect(parts?.rest.outputs).toEqual(graph.outputs);
    expect(keepBuffers).toBe(true);
  });

  test("nothing on cuda, where carrying it to the GPU takes longer", async () => {
    expect(await prepare(unet, { provider: "cuda" })).not.toHaveProperty("parts");
  });

  test.each([
    ["T5", t5],
    ["CLIP", upscaler.text],
    ["the VAE's decoder", upscaler.decoder],
  ])("nothing of %s, which has no steps", async (_, network) => {
    for (const provider of ["cpu", "webgpu"] as const) {
      expect(await prepare(network, { provider })).not.toHaveProperty("parts");
    }
  });
});

describe("how it is lowered", () => {
  const lowering = async (network: NetworkDescription, variant: Variant, kind?: "unet"): Promise<unknown> => {
    const stored = { ...(await expectedWeights(network, { variant: storedVariant })), variant };
    const weights = kind ? asQuantized(stored, kind) : stored;
    return prepareNetwork(network, weights, { provider: "webgpu" }).lowering;
  };

  test("in float16 where the weights are, if the network's numbers are in its range", async () => {
    expect(await lowering(unet, "fp16")).toMatchObject({ computeType: "float16", weightFormat: "stored" });
    expect(await lowering(unet, "fp32")).toMatchObject({ computeType: "float32", weightFormat: "stored" });
    expect(await lowering(t5, "fp16")).toMatchObject({ computeType: "float32", weightFormat: "stored" });
    expect(await lowering(upscaler.decoder, "fp16")).toMatchObject({ computeType: "float32", weightFormat: "stored" });
  });

  test("weights in 8-bit blocks, also where they are yet to be made", async () => {
    expect(await lowering(unet, "fp16", "unet")).toMatchObject({ weightFormat: "blocks" });
  });

  test("as one of few pixels up to two samples of 64 x 64", async () => {
    const weights = await expectedWeights(unet, { variant: storedVariant });
    const ofSide = (batch: number, side: number) => {
      const build = (samples: number): Graph => {
        const g = new GraphBuilder("a network");
        g.output("out", g.op("Silu", [g.input("sample", "float32", [samples, 3, side, side])]));
        return g.finish();
      };
      return prepareNetwork({ ...unet, batch, build }, weights, { provider: "cuda" }).lowering;
    };
    expect(ofSide(2, 64)).toHaveProperty("fewPixels", true);
    expect(ofSide(4, 64)).not.toHaveProperty("fewPixels");
    expect(ofSide(2, 72)).not.toHaveProperty("fewPixels");
  });
});
