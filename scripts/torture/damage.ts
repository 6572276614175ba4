/** Good files of every foreign format, and damaged ones made of them from a seed. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import type { CaseJob } from "./cases.ts";
import { mutate } from "./mutate.ts";
import { createRandom } from "./random.ts";
import { tiffOf } from "./small-images.ts";

export interface Format {
  readonly name: string;
  readonly reader: string;
  readonly file: string;
  readonly samples: readonly Buffer[];
  /** What lies beside the damaged file. */
  readonly folder?: string;
}

/** @param root of the project; @param work a folder for what lies beside some samples. */
export async function listFormats(root: string, work: string): Promise<Format[]> {
  const golden = join(root, "test/golden/checkpoints");
  const saved = join(root, "test/tokenizers/transformers-5");
  const [t5, clip] = [join(golden, "if-i/tokenizer"), join(golden, "x4-upscaler/tokenizer")];
  const read = (...path: string[]): Buffer => readFileSync(join(...path));
  const inTokenizer =
    (reader: string, folder: string) =>
    (file: string): Format => ({ name: file, reader, file, samples: [read(folder, file)], folder });
  const shards = join(work, "shards");
  mkdirSync(shards);
  for (const name of ["a", "b"]) writeFileSync(join(shards, `${name}.safetensors`), safetensors({ [name]: [1, 2] }));
  const index = { metadata: { total_size: 16 }, weight_map: { a: "a.safetensors", b: "b.safetensors" } };
  const format = (name: string, reader: string, file: string, samples: Buffer[], folder?: string): Format => ({
    name,
    reader,
    file,
    samples,
    ...(folder && { folder }),
  });
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  return [
    format("safetensors", "weights", "model.safetensors", [safetensors({ a: [2, 3], "layer.0.weight": [1, 4], none: [0, 7] }), safetensors({})]),
    format("index.json", "weights", "model.safetensors.index.json", [json(index)], shards),
    format("config.json", "config", "config.json", [json({ sample_size: 64, layers: [1, 2, 3], _class_name: "UNet" }), json({ layers: [] })]),
    format("preprocessor_config.json", "preprocessor", "preprocessor_config.json", [read(golden, "if-i/feature_extractor/preprocessor_config.json")]),
    ...["spiece.model", "tokenizer_config.json", "special_tokens_map.json"].map(inTokenizer("t5", t5)),
    ...["vocab.json", "merges.txt"].map(inTokenizer("clip", clip)),
    { ...inTokenizer("t5", join(saved, "t5"))("tokenizer.json"), name: "tokenizer.json of T5" },
    { ...inTokenizer("clip", join(saved, "clip"))("tokenizer.json"), name: "tokenizer.json of CLIP" },
    ...(await images()),
    { name: "prompt", reader: "prompt", file: "prompt.txt", samples: [Buffer.from('a <b>red</b> cat &amp; "OPEN" https://a.com/x.png 10x20 itâ€™s ﬁne ﷺ 日本 #123 <![if x]> &#x41;')] },
  ]; // prettier-ignore
}

async function images(): Promise<Format[]> {
  const noise = Buffer.from(Array.from({ length: 48 * 32 * 4 }, (_, i) => (i * i * 7 + i * 13) % 256));
  const image = (): Sharp => sharp(noise, { raw: { width: 48, height: 32, channels: 4 } });
  const text = await image()
    .png()
    .withExif({ IFD0: { ImageDescription: "x" } })
    .toBuffer();
  const kinds: [string, string, Buffer[]][] = [
    ["PNG", "a.png", [text, await image().png({ progressive: true, palette: true }).toBuffer()]],
    ["JPEG", "a.jpg", [await image().jpeg().toBuffer(), await image().jpeg({ progressive: true }).toBuffer()]],
    ["WebP", "a.webp", [await image().webp().toBuffer(), await image().webp({ lossless: true }).toBuffer()]],
    ["AVIF", "a.avif", [await image().avif({ effort: 0 }).toBuffer()]],
    ["TIFF", "a.tif", [await image().tiff({ compression: "lzw" }).toBuffer(), tiffOf(5, false)]],
    ["GIF", "a.gif", [await image().gif().toBuffer()]],
  ];
  const formats = kinds.map(([name, file, samples]): Format => ({ name, reader: "image", file, samples }));
  const masks = formats.map((format) => ({ ...format, name: `${format.name} as a mask`, reader: "mask" }));
  return [...formats, ...masks.slice(0, 1), { name: "text in PNG", reader: "pngText", file: "a.png", samples: [text] }];
}

/** Zeros as float32 tensors of these shapes. */
function safetensors(shapes: Readonly<Record<string, readonly number[]>>): Buffer {
  let end = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = end;
    end += 4 * shape.reduce((product, side) => product * side, 1);
    return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
  });
  const header = Buffer.from(JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(end)]);
}

/** A format's good file: what is not read whole cannot be damaged. */
export function writeSample(format: Format, index: number, folder: string): CaseJob {
  return write(format, format.samples[index] ?? Buffer.alloc(0), folder);
}

/** Case `index` of a format: the same one for the same seed. */
export function writeCase(format: Format, seed: number, index: number, folder: string): CaseJob {
  const sample = format.samples[index % format.samples.length] ?? Buffer.alloc(0);
  return write(format, mutate(sample, createRandom(seed * 1_000_003 + index)), folder);
}

function write(format: Format, content: Buffer, folder: string): CaseJob {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  if (format.folder) cpSync(format.folder, folder, { recursive: true });
  writeFileSync(join(folder, format.file), content);
  return { reader: format.reader, folder, file: format.file };
}
