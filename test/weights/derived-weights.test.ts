import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { derivedFault } from "../../src/weights/derived-receipt.ts";
import { listDerivedWeights, removeDerivedWeights, verifyDerivedWeights } from "../../src/weights/derived-weights.ts";
import { findQuantized, quantizeIntoCache } from "../../src/weights/quantize-checkpoint.ts";
import { goldenPath } from "../golden.ts";
import { temporaryFolder } from "./files.ts";

const source = goldenPath("checkpoints/if-i/text_encoder");
const weights = "model.8bit.safetensors";

async function makeCache(from = source) {
  const cache = await temporaryFolder();
  const table = await openWeights(from, "fp16");
  let runs = 0;
  const make = () => quantizeIntoCache(table, cache, 8, () => runs++);
  const folder = await make();
  return { cache, table, folder, make, runs: () => runs };
}

/** One bit of one byte, as a disk flips it. */
function flip(path: string, at: number): void {
  const byte = Buffer.of((readFileSync(path)[at] ?? 0) ^ 1);
  const file = openSync(path, "r+");
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

describe("what was changed behind our back is noticed and made again:", () => {
  test.each<[string, (folder: string) => void]>([
    ["one flipped bit of the weights", (folder) => flip(join(folder, weights), 5000)],
    [
      "zeros",
      (folder) => writeFileSync(join(folder, weights), Buffer.alloc(readFileSync(join(folder, weights)).length)),
    ],
    [
      "another activation in its config",
      (folder) => {
        const path = join(folder, "config.json");
        writeFileSync(path, readFileSync(path, "utf8").replace("gelu", "silu"));
      },
    ],
    [
      "weights that are a link to elsewhere",
      (folder) => {
        const elsewhere = join(folder, "..", "elsewhere");
        writeFileSync(elsewhere, readFileSync(join(folder, weights)));
        rmSync(join(folder, weights));
        symlinkSync(elsewhere, join(folder, weights));
      },
    ],
    [
      "a receipt of an older version",
      (folder) => writeFileSync(join(folder, "quantized.json"), '{"format":3,"bytes":1,"sha256":""}'),
    ],
    ["no config", (folder) => rmSync(join(folder, "config.json"))],
  ])("%s", async (_, change) => {
    const { cache, table, folder, make, runs } = await makeCache();
    const right = readFileSync(join(folder, weights));
    expect(await findQuantized(table, cache, 8)).toBe(folder);
    change(folder);
    expect(await findQuantized(table, cache, 8)).toBeUndefined();
    expect(await make()).toBe(folder);
    expect(runs()).toBe(2);
    expect(readFileSync(join(folder, weights)).equals(right)).toBe(true);
    expect(readFileSync(join(folder, "config.json")).equals(readFileSync(join(source, "config.json")))).toBe(true);
  });

  test("a config of the network itself that was changed since", async () => {
    const copy = join(await temporaryFolder(), "text_encoder");
    await cp(source, copy, { recursive: true });
    const { cache, table, folder } = await makeCache(copy);
    expect(await findQuantized(table, cache, 8)).toBe(folder);
    writeFileSync(join(copy, "config.json"), readFileSync(join(copy, "config.json"), "utf8").replace("gelu", "silu"));
    expect(await findQuantized(table, cache, 8)).toBeUndefined();
  });
});

test("files are hashed again when their times change, and only then", async () => {
  const { folder, make, runs } = await makeCache();
  const marks = (): string => readFileSync(join(folder, "checked.json"), "utf8");
  const before = marks();
  expect(await derivedFault(folder)).toBeUndefined();
  expect(marks()).toBe(before);
  utimesSync(join(folder, weights), 1, 1);
  expect(await make()).toBe(folder);
  expect(marks()).not.toBe(before);
  expect(runs()).toBe(1);
});

test("what is there is listed, verified and freed; what is not ours is left alone", async () => {
  const { cache, folder } = await makeCache();
  mkdirSync(join(cache, "0".repeat(32)));
  writeFileSync(join(cache, "0".repeat(32), "model"), "from another version");
  mkdirSync(join(cache, "mine"));
  const name = folder.slice(cache.length + 1);
  const listed = await listDerivedWeights(cache);
  expect(listed.map((entry) => [entry.name, entry.made])).toEqual([
    [name, { kind: 8, source }],
    ["0".repeat(32), undefined],
  ]);
  const bytes = readdirSync(folder).reduce((sum, file) => sum + readFileSync(join(folder, file)).length, 0);
  expect(listed[0]?.bytes).toBe(bytes);
  expect(await verifyDerivedWeights(cache)).toEqual([{ name, source, ok: true }]);
  flip(join(folder, weights), 9000);
  expect(await verifyDerivedWeights(cache)).toEqual([
    { name, source, ok: false, reason: `${weights} has another hash` },
  ]);
  expect(await removeDerivedWeights(cache, [name, "mine", "../x"])).toEqual({ freedBytes: bytes });
  expect([existsSync(folder), existsSync(join(cache, "mine"))]).toEqual([false, true]);
  expect(await listDerivedWeights(join(cache, "nowhere"))).toEqual([]);
});
