import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CheckpointError, OutputError, ShapeError } from "../../src/errors.ts";
import type { TensorData } from "../../src/weights/dtype.ts";
import {
  readSafetensorsHeader,
  readTensor,
  readTensorAsFloat32,
  type TensorSource,
  writeSafetensors,
} from "../../src/weights/safetensors.ts";
import { goldenPath } from "../golden.ts";
import { safetensorsBytes, temporaryFile, temporaryFolder } from "./files.ts";

const every: ReadonlyMap<string, TensorSource> = new Map<string, TensorSource>([
  ["bool", { dtype: "BOOL", shape: [3], data: Uint8Array.of(0, 1, 1) }],
  ["u8", { dtype: "U8", shape: [1], data: Uint8Array.of(255) }],
  ["i8", { dtype: "I8", shape: [2, 1], data: Int8Array.of(-128, 127) }],
  ["i16", { dtype: "I16", shape: [1], data: Int16Array.of(-32768) }],
  ["u16", { dtype: "U16", shape: [1], data: Uint16Array.of(65535) }],
  ["f16", { dtype: "F16", shape: [2], data: Uint16Array.of(0x3c00, 0xc100) }],
  ["bf16", { dtype: "BF16", shape: [2], data: Uint16Array.of(0x3f80, 0xc020) }],
  ["i32", { dtype: "I32", shape: [1], data: Int32Array.of(-(2 ** 31)) }],
  ["u32", { dtype: "U32", shape: [1], data: Uint32Array.of(2 ** 32 - 1) }],
  ["f32", { dtype: "F32", shape: [1, 3], data: Float32Array.of(0.1, -0, NaN) }],
  ["f64", { dtype: "F64", shape: [2], data: Float64Array.of(0.1, 1e300) }],
  ["i64", { dtype: "I64", shape: [1], data: BigInt64Array.of(-(2n ** 63n)) }],
  ["u64", { dtype: "U64", shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) }],
  ["none", { dtype: "F32", shape: [0, 9], data: new Float32Array() }],
]);

/** Any of the golden files, small and large types mixed, written by the reference library. */
const goldenFiles = ["if-i/safety_checker/model.safetensors", "if-i/text_encoder/model.8bit.safetensors"].map((file) =>
  goldenPath("checkpoints", file),
);

async function readAll(path: string): Promise<Map<string, TensorSource>> {
  const { tensors } = await readSafetensorsHeader(path);
  const read = async (name: string): Promise<[string, TensorSource]> => {
    const entry = tensors.get(name)!;
    return [name, { dtype: entry.dtype, shape: entry.shape, data: await readTensor(path, entry) }];
  };
  return new Map(await Promise.all([...tensors.keys()].map(read)));
}

describe("writeSafetensors and readTensor", () => {
  test("bring back every type, and leave no other file", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "x.safetensors");
    await writeSafetensors(path, every, new Map([["seed", "7"]]));
    expect(await readdir(folder)).toEqual(["x.safetensors"]);
    expect([...(await readSafetensorsHeader(path)).metadata]).toEqual([["seed", "7"]]);
    expect(Object.fromEntries(await readAll(path))).toEqual(Object.fromEntries(every));
  });

  test.each(goldenFiles)("write the bytes of the reference library: %s", async (golden) => {
    const path = join(await temporaryFolder(), "x.safetensors");
    const { metadata } = await readSafetensorsHeader(golden);
    const tensors = await readAll(golden);
    await writeSafetensors(path, new Map([...tensors].reverse()), metadata);
    expect(Buffer.compare(await readFile(path), await readFile(golden))).toBe(0);
  });

  test("align the tensors and take part of a buffer", async () => {
    const path = join(await temporaryFolder(), "x.safetensors");
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    await writeSafetensors(path, new Map([["a", { dtype: "F32", shape: [2], data }]]));
    const file = await readSafetensorsHeader(path);
    expect(file.dataOffset % 8).toBe(0);
    expect(await readTensor(path, file.tensors.get("a")!)).toEqual(Float32Array.of(2, 3));
  });

  test("replace an older file", async () => {
    const path = await temporaryFile("x.safetensors", "older, and longer than what comes now ".repeat(20));
    await writeSafetensors(path, new Map([["a", { dtype: "U8", shape: [1], data: Uint8Array.of(5) }]]));
    expect((await readAll(path)).get("a")?.data).toEqual(Uint8Array.of(5));
  });

  test("read a header that is longer than the first read", async () => {
    const path = join(await temporaryFolder(), "x.safetensors");
    const source: TensorSource = { dtype: "U8", shape: [1], data: Uint8Array.of(1) };
    await writeSafetensors(path, new Map(Array.from({ length: 3000 }, (_, i) => [`layer.${i}.weight`, source])));
    expect((await readSafetensorsHeader(path)).tensors.size).toBe(3000);
  });
});

describe("writeSafetensors", () => {
  const a: TensorSource = { dtype: "F32", shape: [2], data: new Float32Array(2) };

  test("says that a file cannot be written, and leaves nothing behind", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "x.safetensors"));
    const onFolder = writeSafetensors(join(folder, "x.safetensors"), new Map([["a", a]]));
    await expect(onFolder).rejects.toThrow(OutputError);
    expect(await readdir(folder)).toEqual(["x.safetensors"]);
    const nowhere = writeSafetensors(join(folder, "missing", "x.safetensors"), new Map([["a", a]]));
    await expect(nowhere).rejects.toThrow(/missing.x\.safetensors cannot be written/);
  });

  test.each<[string, string, TensorSource]>([
    ["another length", "a", { ...a, shape: [3] }],
    ["another array class", "a", { dtype: "F16", shape: [2], data: new Int16Array(2) }],
    ["the reserved name", "__metadata__", a],
  ])("refuses %s", async (_, name, source) => {
    const path = join(await temporaryFolder(), "x.safetensors");
    await expect(writeSafetensors(path, new Map([[name, source]]))).rejects.toThrow(ShapeError);
  });
});

describe("readTensorAsFloat32", () => {
  test.each<[string, number[]]>([
    ["f16", [1, -2.5]],
    ["bf16", [1, -2.5]],
    ["f64", [Math.fround(0.1), Infinity]],
    ["f32", [Math.fround(0.1), -0, NaN]],
  ])("converts %s", async (name, expected) => {
    const path = join(await temporaryFolder(), "x.safetensors");
    await writeSafetensors(path, every);
    const entry = (await readSafetensorsHeader(path)).tensors.get(name)!;
    expect(await readTensorAsFloat32(path, entry)).toEqual(Float32Array.from(expected));
  });

  test("does not take whole numbers for weights", async () => {
    const path = join(await temporaryFolder(), "x.safetensors");
    await writeSafetensors(path, every);
    const entry = (await readSafetensorsHeader(path)).tensors.get("i64")!;
    await expect(readTensorAsFloat32(path, entry)).rejects.toThrow(/tensor "i64" holds I64, not floats/);
  });
});

describe("reading says what is wrong with a file", () => {
  test("missing, a folder, a link to nothing, cut short", async () => {
    const folder = await temporaryFolder();
    const link = join(folder, "link.safetensors");
    await symlink(join(folder, "blobs", "gone"), link);
    const cut = join(folder, "cut.safetensors");
    await writeFile(cut, (await readFile(goldenFiles[0]!)).subarray(0, 50_000));
    for (const [path, message] of [
      [join(folder, "missing.safetensors"), /missing\.safetensors cannot be read \(it is missing/],
      [folder, /is a folder/],
      [link, /links to a file that is gone/],
      [cut, /cut short: tensor "[\w.]+" ends at byte \d+ and the file at 50000/],
    ] as const) {
      await expect(readSafetensorsHeader(path)).rejects.toThrow(CheckpointError);
      await expect(readSafetensorsHeader(path)).rejects.toThrow(message);
    }
  });

  test("a file that has become shorter since its header was read", async () => {
    const bytes = safetensorsBytes({ a: { dtype: "U8", shape: [100], data_offsets: [0, 100] } }, 100);
    const path = await temporaryFile("x.safetensors", bytes);
    const entry = (await readSafetensorsHeader(path)).tensors.get("a")!;
    await writeFile(path, bytes.subarray(0, bytes.length - 10));
    const reading: Promise<TensorData> = readTensor(path, entry);
    await expect(reading).rejects.toThrow(/ended at byte \d+, but byte \d+ is needed/);
  });
});
