import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { openWeights, type WeightEntry, type WeightTable } from "../../src/weights/checkpoint.ts";
import type { Dtype } from "../../src/weights/dtype.ts";
import { findRowMaxima, findWeight, readWeight } from "../../src/weights/find-weight.ts";
import { goldenPath } from "../golden.ts";

const entry = (name: string, dtype: Dtype, shape: number[]): WeightEntry => ({ name, dtype, shape, offset: 0, byteLength: 0, file: "/blobs/0" }); // prettier-ignore

function tableOf(...entries: WeightEntry[]): WeightTable {
  const tensors = new Map(entries.map((one) => [one.name, one]));
  return { folder: "if-i/unet", variant: "fp32", files: ["if-i/unet/model.safetensors"], tensors, totalBytes: 0 };
}

describe("findWeight", () => {
  const table = tableOf(entry("down_blocks.0.conv.weight", "F32", [8, 3]), entry("mid.bias", "F32", [8]));

  test("finds a name with its shape", () => {
    expect(findWeight(table, "mid.bias", [8])).toBe(table.tensors.get("mid.bias"));
  });

  test.each(["shared.weight", "encoder.embed_tokens.weight"])(
    "finds T5's embedding, stored as %s, by both names",
    (stored) => {
      const t5 = tableOf(entry(stored, "F32", [9, 4]));
      for (const name of ["shared.weight", "encoder.embed_tokens.weight"]) {
        expect(findWeight(t5, name, [9, 4]).name).toBe(stored);
      }
    },
  );

  test("says what is missing and what comes near", () => {
    const near = () => findWeight(table, "down_blocks.0.conv1.weight", [8, 3]);
    expect(near).toThrow(CheckpointError);
    expect(near).toThrow(
      /^if-i\/unet: tensor "down_blocks\.0\.conv1\.weight" is missing from model\.safetensors \(the nearest name there is "down_blocks\.0\.conv\.weight"\)/,
    );
    expect(() => findWeight(table, "time_embedding.linear_1.weight", [8])).toThrow(
      /is missing from model\.safetensors; /,
    );
  });

  test.each([[[8]], [[3, 8]], [[8, 3, 1]]])("says both shapes where they differ: %j", (shape) => {
    const find = () => findWeight(table, "down_blocks.0.conv.weight", shape);
    expect(find).toThrow(CheckpointError);
    expect(find).toThrow(`has the shape [8, 3] in model.safetensors, but the config asks for [${shape.join(", ")}]`);
  });
});

describe("findRowMaxima", () => {
  const weight = entry("q.weight", "I8", [6, 4]);

  test("finds the maxima of every int8 weight of the reference's file", async () => {
    const table = await openWeights(goldenPath("checkpoints/if-i/text_encoder"), "8bit");
    const int8 = [...table.tensors.values()].filter(({ dtype }) => dtype === "I8");
    const blocks = new Set([...table.tensors.keys()].map((name) => /block\.\d+/.exec(name)?.[0]).filter(Boolean));
    expect(blocks.size).toBeGreaterThan(2);
    expect(int8).toHaveLength(6 * blocks.size); // q, k, v, o, wi_0, wi_1 of each
    for (const one of int8) expect(findRowMaxima(table, one).shape).toEqual([one.shape[0]]);
  });

  test.each<[string, WeightEntry[], RegExp]>([
    ["none", [], /"q\.SCB" is missing/],
    ["another number of rows", [entry("q.SCB", "F32", [4])], /"q\.SCB" has the shape \[4\].*asks for \[6\]/],
    ["another type", [entry("q.SCB", "F16", [6])], /"q\.SCB" is F16/],
  ])("refuses %s", (_, others, message) => {
    const find = () => findRowMaxima(tableOf(weight, ...others), weight);
    expect(find).toThrow(CheckpointError);
    expect(find).toThrow(message);
  });
});

describe("readWeight", () => {
  test.each(["q", "o"])(
    "gives the same numbers from fp16 and, within half a step, from int8 rows: %s",
    async (letter) => {
      const folder = goldenPath("checkpoints/if-i/text_encoder");
      const name = `encoder.block.1.layer.0.SelfAttention.${letter}.weight`;
      const half = await openWeights(folder, "fp16");
      const shape = half.tensors.get(name)!.shape;
      const exact = await readWeight(half, name, shape);
      const rounded = await readWeight(await openWeights(folder, "8bit"), name, shape);
      const columns = shape[1]!;
      for (let start = 0; start < exact.length; start += columns) {
        const row = exact.subarray(start, start + columns);
        const step = Math.max(...row.map(Math.abs)) / 127;
        const worst = Math.max(...row.map((value, i) => Math.abs(value - rounded[start + i]!)));
        expect(worst).toBeGreaterThan(0);
        expect(worst).toBeLessThanOrEqual(0.501 * step);
      }
    },
  );
});
