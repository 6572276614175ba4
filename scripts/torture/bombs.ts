/**
 * Files below 10 MB (and links to what never ends) that are made to take as much as they can. Each must be answered, with
 * whatever answer, within the limits of torture.ts.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import type { CaseJob } from "./cases.ts";
import { gifOf, png, tiffOf } from "./small-images.ts";

const bytes = 9_900_000;
const fill = (unit: string): string => unit.repeat(Math.floor(bytes / unit.length));

export interface Bomb extends CaseJob {
  readonly name: string;
}

/** @param root an empty folder; @param golden test/golden of the project. */
export async function makeBombs(
  root: string,
  copyTokenizer: (kind: "t5" | "clip", folder: string) => void,
): Promise<Bomb[]> {
  const bombs: Bomb[] = [];
  const add = (
    name: string,
    reader: string,
    file: string,
    content: string | Uint8Array,
    kind?: "t5" | "clip",
  ): void => {
    const folder = join(root, `${bombs.length}`);
    mkdirSync(folder);
    if (kind) copyTokenizer(kind, folder);
    writeFileSync(join(folder, file), content);
    bombs.push({ name, reader, folder, file });
  };
  const header = (json: string): Buffer => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
    return Buffer.concat([length, Buffer.from(json)]);
  };
  const inEntry = (shape: string): string => `{"a":{"dtype":"F32","shape":[${shape}"x"],"data_offsets":[0,4]}}`;
  const headers: [string, string][] = [
    ["a shape of strings", inEntry(fill('"x",'))],
    ["a shape of numbers", inEntry(fill("1,"))],
    ["nested objects", `{${fill('"a":{')}`],
    ["nested lists", `{"a":${fill("[")}`],
    ["entries that are empty", `{${Array.from({ length: 900_000 }, (_, i) => `"${i}":{}`).join(",")}}`],
    [
      "many empty tensors",
      `{${Array.from({ length: 130_000 }, (_, i) => `"n${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`).join(",")}}`,
    ],
    [
      "80,000 empty tensors",
      `{${Array.from({ length: 80_000 }, (_, i) => `"n${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`).join(",")}}`,
    ],
    ["metadata of numbers", `{"__metadata__":{${Array.from({ length: 450_000 }, (_, i) => `"k${i}":1`).join(",")}}}`],
    [
      "metadata of 400,000 strings",
      `{"__metadata__":{${Array.from({ length: 400_000 }, (_, i) => `"k${i}":"v"`).join(",")}}}`,
    ],
    ["one long name", `{"${"n".repeat(bytes)}":1}`],
    ["one long type", `{"a":{"dtype":"${"F".repeat(bytes - 100)}","shape":[1],"data_offsets":[0,4]}}`],
    ["escapes", `{"${fill("\\u0061")}":1}`],
    ["a broken string", `{"${fill("x")}`],
  ];
  for (const [name, json] of headers) add(`header: ${name}`, "weights", "model.safetensors", header(json));
  const jsons: [string, string][] = [
    ["nested lists", fill("[")], ["empty lists", `[${fill("[],")}0]`], ["numbers", `[${fill("1,")}1]`], ["one number", fill("9")],
    ["one string", `"${fill("x")}"`], ["spaces", fill(" ")], ["keys", `{${Array.from({ length: 700_000 }, (_, i) => `"${i}":1`).join(",")}}`],
    ["a list of strings", `{"layers":[${fill('"x",')}1]}`], ["one key", `{"${fill("\u001b")}":1}`], ["a value of quotes", `{"sample_size":"${fill('\\"')}"}`],
  ]; // prettier-ignore
  for (const [name, json] of jsons) {
    add(`config.json: ${name}`, "config", "config.json", json);
    add(`index.json: ${name}`, "weights", "model.safetensors.index.json", json);
    add(`tokenizer_config.json: ${name}`, "t5", "tokenizer_config.json", json, "t5");
    add(`vocab.json: ${name}`, "clip", "vocab.json", json, "clip");
    add(`tokenizer.json: ${name}`, "tokenizerJson", "tokenizer.json", json);
  }
  const map = (value: (i: number) => string, count: number): string =>
    `{"weight_map":{${Array.from({ length: count }, (_, i) => `"t${i}":${value(i)}`).join(",")}}}`;
  add(
    "index.json: names of numbers",
    "weights",
    "model.safetensors.index.json",
    map(() => "1", 450_000),
  );
  add(
    "index.json: 200,000 shards",
    "weights",
    "model.safetensors.index.json",
    map((i) => `"${i}.safetensors"`, 200_000),
  );
  add(
    "index.json: a NUL",
    "weights",
    "model.safetensors.index.json",
    map(() => '"x\\u0000.safetensors"', 1),
  );
  add("tokenizer_config.json: 3,000,000 extra ids", "t5", "tokenizer_config.json", '{"extra_ids":3000000}', "t5");
  add(
    "tokenizer_config.json: 400,000 special tokens",
    "t5",
    "tokenizer_config.json",
    `{"additional_special_tokens":[${Array.from({ length: 400_000 }, (_, i) => `"<t${i}>"`).join(",")}]}`,
    "t5",
  );
  add(
    "tokenizer_config.json: 90,000 special tokens",
    "clip",
    "tokenizer_config.json",
    `{"additional_special_tokens":[${Array.from({ length: 90_000 }, (_, i) => `"<t${i}>"`).join(",")}]}`,
    "clip",
  );
  add("added_tokens.json: ids beyond", "clip", "added_tokens.json", '{"<x>":9007199254740991}', "clip");
  add("merges.txt: empty lines", "clip", "merges.txt", fill("\n"), "clip");
  add("merges.txt: x\\n", "clip", "merges.txt", `v\n${fill("x\n")}`, "clip");
  add("merges.txt: one line", "clip", "merges.txt", `v\n${fill("x ")}`, "clip");
  add("spiece.model: empty pieces", "t5", "spiece.model", Buffer.alloc(bytes, Buffer.from([0x0a, 0])), "t5");
  add(
    "spiece.model: pieces of a letter",
    "t5",
    "spiece.model",
    Buffer.alloc(bytes - (bytes % 5), Buffer.from([0x0a, 3, 0x0a, 1, 0x61])),
    "t5",
  );
  add("spiece.model: zeros", "t5", "spiece.model", Buffer.alloc(bytes), "t5");
  add("spiece.model: groups in groups", "t5", "spiece.model", Buffer.alloc(bytes, 0x23), "t5");
  bombs.push(...linkBombs(root, copyTokenizer));
  const prompts: [string, string][] = [
    ["letters", "a".repeat(125_000)], ["a.a.a", "a.".repeat(62_500)], ["a1a1", "a1".repeat(62_500)], ["digits", "1".repeat(125_000)],
    ["<", "<".repeat(125_000)], ["<a ", "<a ".repeat(41_000)], ["<a b=", `<a ${"b=".repeat(62_000)}`], ["&", "&".repeat(125_000)], ["spaces", `${" ".repeat(125_000)}x`],
    ["- -", "- ".repeat(62_500)], ["Ã", "Ã¢â‚¬â„¢".repeat(15_000)], ["ﷺ", "ﷺ".repeat(60_000)], ["emoji", "👩‍👩‍👧 ".repeat(12_000)], ["quotes", `"'`.repeat(62_500)], ["<!--", "<!--".repeat(31_000)], ["</", "</a".repeat(41_000)],
    ["words", "a photo of a cat ".repeat(7_300)], ["x.com@", `${"a.".repeat(60_000)}com@`], [".png", "a.png".repeat(25_000)], ["1x1x", "1x".repeat(62_500)], ["&#x", "&#x41".repeat(25_000)], ["10 MB", fill("a cat. ")],
    ["marks", `a${"\u0301".repeat(120_000)}`], ["<![", "<![if ".repeat(20_000)], ["words_", "a_".repeat(60_000)], ["1.1.", "1.".repeat(62_500)], ["@", "@a".repeat(60_000)], ["free", "free ".repeat(25_000)], [" : ", "a : ".repeat(30_000)], ["a/", "a/".repeat(60_000)], ["mixed case", "aB ".repeat(40_000)],
  ]; // prettier-ignore
  for (const [name, whole] of prompts.flatMap(
    ([kind, text]) =>
      [
        [kind, text],
        [`${kind}, 10,000`, text.slice(0, 10_000)],
      ] as const,
  )) {
    const text = whole;
    add(`prompt: ${name}`, "prompt", "prompt.txt", text);
    add(`prompt to T5: ${name}`, "t5Prompt", "prompt.txt", text, "t5");
    add(`prompt to CLIP: ${name}`, "clipPrompt", "prompt.txt", text, "clip");
  }
  for (const [name, file, content] of await imageBombs()) {
    add(`image: ${name}`, "image", file, content);
    add(`mask: ${name}`, "mask", file, content);
  }
  const sparse = join(root, "sparse");
  mkdirSync(sparse);
  writeFileSync(join(sparse, "sparse.png"), png({ width: 64, height: 64, depth: 8, colour: 2 }));
  truncateSync(join(sparse, "sparse.png"), 1_000_000_000);
  bombs.push({ name: "image: 1 GB that is sparse", reader: "image", folder: sparse, file: "sparse.png" });
  return bombs;
}

function linkBombs(root: string, copyTokenizer: (kind: "t5" | "clip", folder: string) => void): Bomb[] {
  const bombs: Bomb[] = [];
  const files: [string, string, "t5" | "clip" | undefined][] = [
    ["t5", "spiece.model", "t5"], ["t5", "tokenizer_config.json", "t5"], ["clip", "merges.txt", "clip"], ["clip", "vocab.json", "clip"],
    ["weights", "model.safetensors", undefined], ["weights", "model.safetensors.index.json", undefined], ["config", "config.json", undefined], ["image", "a.png", undefined], ["mask", "a.png", undefined],
  ]; // prettier-ignore
  for (const [reader, file, kind] of files) {
    for (const what of ["fifo", "/dev/zero", "/dev/urandom", "/dev/tty", "loop"]) {
      const folder = join(root, `link-${reader}-${file}-${what.replaceAll("/", "-")}`);
      mkdirSync(folder);
      if (kind) copyTokenizer(kind, folder);
      const path = join(folder, file);
      execFileSync("rm", ["-f", path]);
      if (what === "fifo") execFileSync("mkfifo", [path]);
      else symlinkSync(what === "loop" ? path : what, path);
      bombs.push({ name: `${file}: ${what}`, reader, folder, file });
    }
  }
  return bombs;
}

async function imageBombs(): Promise<[string, string, Uint8Array][]> {
  const flat = (width: number, height: number, channels: 3 | 4) =>
    sharp({
      create: { width, height, channels, background: { r: 9, g: 9, b: 9, alpha: 0.5 } },
      limitInputPixels: false,
    });
  const tiffPages = 200_000;
  return [
    ["gray 16 bits, 8000x8000", "a.png", png({ width: 8000, height: 8000, depth: 16, colour: 0 })],
    ["gray 16 bits, 11000x11000", "a.png", png({ width: 11000, height: 11000, depth: 16, colour: 0 })],
    ["gray 8 bits, 16000x16000", "a.png", png({ width: 16000, height: 16000, depth: 8, colour: 0 })],
    ["1 bit, 16000x16000", "a.png", png({ width: 16000, height: 16000, depth: 1, colour: 0 })],
    ["RGB, 8000x8000", "a.png", png({ width: 8000, height: 8000, depth: 8, colour: 2 })],
    ["RGB, 16000x16000", "a.png", png({ width: 16000, height: 16000, depth: 8, colour: 2 })],
    ["RGB 16 bits, 6000x6000", "a.png", png({ width: 6000, height: 6000, depth: 16, colour: 2 })],
    ["RGBA, 7000x7000", "a.png", png({ width: 7000, height: 7000, depth: 8, colour: 6 })],
    ["RGBA, 16383x16383", "a.png", png({ width: 16383, height: 16383, depth: 8, colour: 6 })],
    ["RGBA 16 bits interlaced, 5000x5000", "a.png", png({ width: 5000, height: 5000, depth: 16, colour: 6, interlaced: true })],
    ["200000x1", "a.png", png({ width: 200_000, height: 1, depth: 8, colour: 2 })],
    ["JPEG, 8000x8000", "a.jpg", await flat(8000, 8000, 3).jpeg({ quality: 30 }).toBuffer()],
    ["JPEG progressive, 8000x8000", "a.jpg", await flat(8000, 8000, 3).jpeg({ quality: 30, progressive: true, chromaSubsampling: "4:4:4" }).toBuffer()],
    ["JPEG, 16000x16000", "a.jpg", await flat(16000, 16000, 3).jpeg({ quality: 30 }).toBuffer()],
    ["WebP, 8000x8000", "a.webp", await flat(8000, 8000, 4).webp({ lossless: true, effort: 0 }).toBuffer()],
    ["WebP lossy, 8000x8000", "a.webp", await flat(8000, 8000, 3).webp({ effort: 0 }).toBuffer()],
    ["AVIF, 4000x4000", "a.avif", await flat(4000, 4000, 3).avif({ effort: 0 }).toBuffer()],
    ["GIF, 8000x8000", "a.gif", await flat(8000, 8000, 4).gif({ effort: 1 }).toBuffer()],
    ["TIFF, 8000x8000", "a.tif", await flat(8000, 8000, 4).tiff({ compression: "deflate" }).toBuffer()],
    ["TIFF of 200,000 pages", "a.tif", tiffOf(tiffPages, false)],
    ["TIFF whose pages go in a circle", "a.tif", tiffOf(3, true)],
    ["GIF of 400,000 frames", "a.gif", gifOf(400_000)],
    ["zeros", "a.png", Buffer.alloc(bytes)],
    ["text", "a.png", Buffer.from(fill("<svg>"))],
  ]; // prettier-ignore
}
