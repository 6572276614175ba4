import { readFileSync } from "node:fs";
import { mkdir, open, realpath, rename, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readTensorAsFloat32, type TensorSource, writeSafetensors } from "../../src/weights/safetensors.ts";
import type { Variant } from "../../src/weights/variants.ts";
import { goldenPath } from "../golden.ts";
import { safetensorsBytes, temporaryFolder } from "./files.ts";

const u8 = (...values: number[]): TensorSource => ({
  dtype: "U8",
  shape: [values.length],
  data: Uint8Array.from(values),
});

/** Two shards with one tensor each, two bytes and one. */
async function shardedFolder(weightMap: Record<string, string>, totalSize?: number): Promise<string> {
  const folder = await temporaryFolder();
  await writeSafetensors(join(folder, "model-00001-of-00002.safetensors"), new Map([["a", u8(1, 2)]]));
  await writeSafetensors(join(folder, "model-00002-of-00002.safetensors"), new Map([["shared.weight", u8(3)]]));
  await writeIndex(folder, weightMap, totalSize);
  return folder;
}

async function writeIndex(folder: string, weightMap: Record<string, string>, totalSize?: number): Promise<void> {
  const metadata = totalSize === undefined ? {} : { total_size: totalSize };
  const index = JSON.stringify({ metadata, weight_map: weightMap });
  await writeFile(join(folder, "model.safetensors.index.json"), index);
}

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Record<string, number>;

const first = "model-00001-of-00002.safetensors";
const second = "model-00002-of-00002.safetensors";
const placed = { a: first, "shared.weight": second };

describe("openWeights on the reference's checkpoints", () => {
  const textEncoder = goldenPath("checkpoints/if-i/text_encoder");
  const q = "encoder.block.0.layer.0.SelfAttention.q.weight";
  const { d_model, d_kv, num_heads } = readJson(join(textEncoder, "config.json"));

  test.each<[Variant | undefined, Variant, string, number]>([
    ["fp32", "fp32", "F32", 1],
    ["fp16", "fp16", "F16", 2],
    ["8bit", "8bit", "I8", 1],
    [undefined, "8bit", "I8", 1],
  ])("opens the text encoder's %s weights", async (requested, variant, dtype, files) => {
    const table = await openWeights(textEncoder, requested);
    expect(table).toMatchObject({ folder: textEncoder, variant });
    expect(table.files).toHaveLength(files);
    expect(table.tensors.get(q)).toMatchObject({ name: q, dtype, shape: [num_heads! * d_kv!, d_model] });
    let bytes = 0;
    for (const { byteLength } of table.tensors.values()) bytes += byteLength;
    expect(table.totalBytes).toBe(bytes);
  });

  test("reads a tensor from its shard", async () => {
    const sharded = await openWeights(textEncoder, "fp16");
    const norm = sharded.tensors.get("encoder.final_layer_norm.weight")!;
    expect(basename(norm.file)).toBe("model.fp16-00002-of-00002.safetensors");
    const values = await readTensorAsFloat32(norm.file, norm);
    const single = await openWeights(textEncoder, "8bit");
    const same = single.tensors.get(norm.name)!;
    expect(values).toEqual(await readTensorAsFloat32(same.file, same));
  });

  test("takes diffusion_pytorch_model for model", async () => {
    const { files, tensors } = await openWeights(goldenPath("checkpoints/x4-upscaler/vae"), "fp16");
    expect(files.map((file) => basename(file))).toEqual(["diffusion_pytorch_model.fp16.safetensors"]);
    expect(tensors.has("decoder.conv_in.weight")).toBe(true);
  });

  test("gives the same weights from one fp32 file and from two shards", async () => {
    const single = await openWeights(textEncoder, "fp32");
    const sharded = await openWeights(goldenPath("checkpoints/if-ii/text_encoder"), "fp32");
    expect(sharded.files).toHaveLength(2);
    expect([...sharded.tensors.keys()].sort()).toEqual([...single.tensors.keys()].sort());
    for (const { name, file } of sharded.tensors.values()) {
      const values = await readTensorAsFloat32(file, sharded.tensors.get(name)!);
      const same = single.tensors.get(name)!;
      expect(values).toEqual(await readTensorAsFloat32(same.file, same));
    }
  });
});

describe("openWeights", () => {
  test.each([
    ["the bytes", placed, 3],
    ["no total", placed, undefined],
    ["a tied name that is not stored", { ...placed, "encoder.embed_tokens.weight": second }, 3],
    ["a tied name that is counted twice", { ...placed, "encoder.embed_tokens.weight": second }, 4],
  ])("takes an index with %s", async (_, weightMap, total) => {
    const table = await openWeights(await shardedFolder(weightMap, total));
    expect(table.totalBytes).toBe(3);
    expect([...table.tensors.keys()]).toEqual(["a", "shared.weight"]);
  });

  test("takes the other spelling of a variant's index", async () => {
    const folder = await shardedFolder(placed, 3);
    await rename(join(folder, "model.safetensors.index.json"), join(folder, "model.fp16.safetensors.index.json"));
    expect((await openWeights(folder)).variant).toBe("fp16");
  });

  test("follows the links of the Hub's cache", async () => {
    const folder = await temporaryFolder();
    const [blobs, snapshot] = [join(folder, "blobs"), join(folder, "snapshots")];
    await mkdir(blobs);
    await mkdir(snapshot);
    await writeSafetensors(join(blobs, "0123abcd"), new Map([["a", u8(1)]]));
    await symlink(join("..", "blobs", "0123abcd"), join(snapshot, "model.safetensors"));
    const { files, tensors } = await openWeights(snapshot);
    expect(files).toEqual([join(snapshot, "model.safetensors")]);
    expect(tensors.get("a")?.file).toBe(await realpath(join(blobs, "0123abcd")));
  });

  test.each<[string, Record<string, string>, number | undefined, RegExp]>([
    ["a missing shard", { ...placed, c: "model-00003-of-00003.safetensors" }, undefined, /00003.*it is missing/],
    ["a tensor that no shard holds", { ...placed, c: first }, undefined, /places tensor "c" in .*no shard holds it/],
    ["a tensor in the other shard", { ...placed, a: second, b: first }, undefined, /"a" in .*00002.*it is in .*00001/],
    ["a tensor that the index leaves out", { a: first, b: second }, undefined, /tensor "\w+(\.weight)?" in/],
    ["another total", placed, 5, /5 bytes of tensors, but they hold 3/],
    ["an empty index", {}, 0, /names no tensors/],
    ["a file elsewhere", { ...placed, a: "../model.safetensors" }, 3, /"\.\.\/model\.safetensors", which is no/],
  ])("refuses %s", async (_, weightMap, total, message) => {
    const folder = await shardedFolder(weightMap, total);
    await expect(openWeights(folder)).rejects.toThrow(CheckpointError);
    await expect(openWeights(folder)).rejects.toThrow(message);
  });

  test("refuses a tensor in two shards", async () => {
    const folder = await shardedFolder(placed, 3);
    await writeSafetensors(
      join(folder, second),
      new Map([
        ["a", u8(1, 2)],
        ["shared.weight", u8(3)],
      ]),
    );
    await expect(openWeights(folder)).rejects.toThrow(/tensor "a" is stored twice, in .*00001.* and .*00002/);
  });

  test("refuses an index that is none", async () => {
    const folder = await shardedFolder(placed, 3);
    await writeFile(join(folder, "model.safetensors.index.json"), '{"weight_map": []}');
    await expect(openWeights(folder)).rejects.toThrow(/is not an index of shards: weight_map/);
    await writeFile(join(folder, "model.safetensors.index.json"), "{");
    await expect(openWeights(folder)).rejects.toThrow(/is not valid JSON/);
  });

  test("takes 8-bit rows and refuses other 8-bit layouts", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "model.8bit.safetensors");
    const format = (value: number): TensorSource => ({ dtype: "U8", shape: [], data: Uint8Array.of(value) });
    await writeSafetensors(path, new Map([["q.weight_format", format(0)]]));
    expect((await openWeights(folder)).variant).toBe("8bit");
    await writeSafetensors(path, new Map([["q.weight_format", format(2)]]));
    await expect(openWeights(folder)).rejects.toThrow(/"q\.weight_format" is not 0/);
  });

  test("reads headers, not weights: of a file beyond 4 GiB, then of its last tensor", async () => {
    const folder = await temporaryFolder();
    const bytes = 5 * 2 ** 30;
    const first = { dtype: "U8", shape: [bytes], data_offsets: [0, bytes] };
    const last = { dtype: "F32", shape: [1], data_offsets: [bytes, bytes + 4] };
    const header = safetensorsBytes({ first, last }, 0);
    const handle = await open(join(folder, "model.safetensors"), "w");
    await handle.write(header);
    await handle.write(new Uint8Array(Float32Array.of(7).buffer), 0, 4, header.length + bytes); // a hole takes no disk
    await handle.close();
    const { tensors, totalBytes } = await openWeights(folder);
    expect(totalBytes).toBe(bytes + 4);
    const entry = tensors.get("last")!;
    expect(await readTensorAsFloat32(entry.file, entry)).toEqual(Float32Array.of(7));
  });
});
