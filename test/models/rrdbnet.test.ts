/** Tolerance 2e-6: torch's own float32 sums differ by as much between convolutions of other orders. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sum } from "../../src/math/statistics.ts";
import { cropTo, padToMultiple, pixelUnshuffle } from "../../src/math/pixel-shuffle.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { type RrdbNetConfig, buildRrdbNet } from "../../src/models/rrdbnet.ts";
import { readRrdbNetFile } from "../../src/models/rrdbnet-file.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import { inTiles } from "../../src/onnx/tiles.ts";
import { withSession } from "../../src/runtime/session.ts";
import { type TensorSource, writeSafetensors } from "../../src/weights/safetensors.ts";
import { withFolder } from "./checkpoint-copy.ts";
import { inFloat16, namings, numbers, tinyConfig, tinyEsrgan } from "./tiny-esrgan.ts";

const tolerance = 2e-6;
const image = { data: numbers(0, 3 * 11 * 14).map((x) => (x + 1) / 2), shape: [1, 3, 11, 14] };

/** scripts/golden/make-rrdbnet.py: the mean of all numbers, and six of them, evenly spread. */
const reference = [
  {
    block: 1,
    mean: 0.4226791560649872,
    spread: [
      -0.4822070598602295, -0.47824180126190186, 0.4806203842163086, 0.9840721487998962, 0.8456546068191528,
      -0.002324512694031,
    ],
  },
  {
    block: 2,
    mean: 0.19909413158893585,
    spread: [
      -0.10560047626495361, 0.2107965052127838, 0.35854336619377136, 0.001084889518097043, 0.47236961126327515,
      0.03807568550109863,
    ],
  },
  {
    block: 4,
    mean: 0.19422344863414764,
    spread: [
      0.26253941655158997, -1.4096680879592896, 0.8685126900672913, 0.5663528442382812, 1.5279749631881714,
      0.7073447108268738,
    ],
  },
];

const withFile = <T>(tensors: ReadonlyMap<string, TensorSource>, use: (path: string) => Promise<T>): Promise<T> =>
  withFolder(async (folder) => {
    const path = join(folder, "up.safetensors");
    await writeSafetensors(path, tensors);
    return use(path);
  });

/** @returns the enlarged image, as flat numbers. */
async function enlarge(path: string, tileBytes?: number): Promise<Float32Array> {
  const { config, scale, block, weights } = await readRrdbNetFile(path);
  const x = pixelUnshuffle(padToMultiple(image, block), block);
  const whole = buildRrdbNet(config, { batch: 1, height: x.shape[2]!, width: x.shape[3]! });
  const graph = tileBytes === undefined ? whole : inTiles(whole, tileBytes);
  if (tileBytes !== undefined) expect(graph.nodes.length).toBeGreaterThan(whole.nodes.length);
  const session = { executionProvider: "cpu", threads: 1 } as const;
  const result = await withSession(graph, weights, session, (run) => run({ image: x.data }));
  return cropTo(result.get("enlarged")!, scale * 11, scale * 14).data;
}

const spreadOf = (data: Float32Array): number[] =>
  Array.from({ length: 6 }, (_, index) => data[Math.round((index * (data.length - 1)) / 5)]!);

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, index) => Math.abs(value - b[index]!)));

describe("against the network written down in torch", () => {
  test.each(reference)("blocks of $block pixels", async ({ block, mean, spread }) => {
    const data = await withFile(tinyEsrgan({ inChannels: 3 * block * block }), (path) => enlarge(path));
    expect(data).toHaveLength((3 * 16 * 11 * 14) / block ** 2);
    expect(largest(spreadOf(data), spread)).toBeLessThan(tolerance);
    expect(Math.abs(sum([...data]) / data.length - mean)).toBeLessThan(tolerance);
  });

  test.each(Object.entries(namings))("with the names of %s", async (_, naming) => {
    const data = await withFile(tinyEsrgan({}, naming), (path) => enlarge(path));
    expect(largest(spreadOf(data), reference[0]!.spread)).toBeLessThan(tolerance);
  });

  test("weights in float16", async () => {
    const data = await withFile(inFloat16(tinyEsrgan()), async (path) => {
      expect((await readRrdbNetFile(path)).weights.variant).toBe("fp16");
      return enlarge(path);
    });
    expect(largest(spreadOf(data), reference[0]!.spread)).toBeLessThan(5e-3); // 2^-11 a weight, in 30 layers
  });

  test("the feature maps after the doublings in tiles: the same", async () => {
    const [whole, tiled] = await withFile(
      tinyEsrgan({}, (name) => name),
      async (path) => [await enlarge(path), await enlarge(path, 4 * 24 * 11 * 14)] as const,
    );
    expect(largest(tiled, whole)).toBeLessThan(tolerance);
  });
});

test.each([
  { name: "one doubling", config: { doublings: 1 }, scale: 2 },
  { name: "none", config: { doublings: 0 }, scale: 1 },
  { name: "three", config: { doublings: 3 }, scale: 8 },
])("a sequence with $name is told from its layers", async ({ config, scale }) => {
  const last = 2 + 3 * config.doublings;
  const naming = (name: string): string =>
    namings["a sequence"]!(
      name
        .replace(/conv_up(\d)/, (_, up: string) => `model.${3 * Number(up)}`)
        .replace("conv_hr", `model.${last}`)
        .replace("conv_last", `model.${last + 2}`),
    );
  const file = await withFile(tinyEsrgan(config, naming), readRrdbNetFile);
  expect(file).toMatchObject({ scale, block: 1, config: { ...tinyConfig, ...config } });
});

test("RealESRGAN_x4plus has 16,697,987 parameters", () => {
  const config: RrdbNetConfig = { blocks: 23, features: 64, growth: 32, inChannels: 3, doublings: 2 };
  const graph = buildRrdbNet(config, { batch: 1, height: 64, width: 48 });
  checkGraph(graph);
  expect(sum(graph.parameters.map(({ value }) => elementCount(value.shape)))).toBe(16_697_987);
  expect(graph.outputs[0]?.shape).toEqual([1, 3, 256, 192]);
});

describe("refuses", () => {
  const changed = (change: (tensors: Map<string, TensorSource>) => void): ReadonlyMap<string, TensorSource> => {
    const tensors = tinyEsrgan();
    change(tensors);
    return tensors;
  };
  const zeros = (...shape: number[]): TensorSource => ({
    dtype: "F32",
    shape,
    data: new Float32Array(elementCount(shape)),
  });

  test.each([
    {
      what: "another network",
      tensors: new Map([["conv_in.weight", zeros(8, 3, 3, 3)]]),
      message: 'is no RRDBNet (its first tensor is "conv_in.weight")',
    },
    {
      what: "a compact network",
      tensors: new Map([
        ["body.0.weight", zeros(8, 3, 3, 3)],
        ["body.1.weight", zeros(8)],
      ]),
      message: "a compact network (SRVGGNetCompact, such as realesr-general-x4v3)",
    },
    {
      what: "a missing tensor",
      tensors: changed((all) => all.delete("body.1.rdb2.conv3.bias")),
      message: '"body.1.rdb2.conv3.bias" of an RRDBNet is missing',
    },
    {
      what: "a tensor of another shape",
      tensors: changed((all) => all.set("body.1.rdb2.conv3.bias", zeros(5))),
      message: '"body.1.rdb2.conv3.bias" is [5], not [4]',
    },
    {
      what: "a tensor beside them",
      tensors: changed((all) => all.set("body.0.rdb1.conv1x1.weight", zeros(4, 8, 1, 1))),
      message: '"body.0.rdb1.conv1x1.weight" is no tensor of an RRDBNet',
    },
    {
      what: "gray images",
      tensors: changed((all) => all.set("conv_last.weight", zeros(1, 8, 3, 3))),
      message: "makes 1 channels of 3",
    },
    {
      what: "a type that is not read",
      tensors: changed((all) => all.set("conv_hr.bias", { dtype: "F64", shape: [8], data: new Float64Array(8) })),
      message: '"conv_hr.bias" is F64',
    },
    {
      what: "more features than are run",
      tensors: changed((all) => all.set("conv_first.weight", zeros(512, 3, 3, 3))),
      message: "2 blocks of 512 features are more than",
    },
  ])("$what", async ({ tensors, message }) => {
    await expect(withFile(tensors, readRrdbNetFile)).rejects.toThrow(message);
  });

  test("a pickle, and says what to do", async () => {
    await expect(readRrdbNetFile("/nowhere/RealESRGAN_x4plus.pth")).rejects.toThrow("safetensors.torch.save_file");
  });

  test("a file that is not there, and a folder", async () => {
    await expect(readRrdbNetFile("/nowhere/up.safetensors")).rejects.toThrow("check --upscaler-model");
    await withFolder((folder) => expect(readRrdbNetFile(folder)).rejects.toThrow("is a folder"));
  });
});
