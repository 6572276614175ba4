/** Good files of every foreign format, and damaged ones made of them from a seed. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import type { CaseJob } from "./cases.ts";
import { mutate } from "./mutate.ts";
import { createRandom } from "./random.ts";
import { tiffOf } from "./small-pictures.ts";

export interface Format {
  readonly name: string;
  readonly reader: string;
  readonly file: string;
  readonly samples: readonly Buffer[];
  /** What lies beside the damaged file. */
  readonly folder?: string;
}

/** @param root of the project. */
export async function listFormats(root: string): Promise<Format[]> {
  const golden = join(root, "test/golden/checkpoints");
  const saved = join(root, "test/tokenizers/transformers-5");
  const [t5, clip] = [join(golden, "if-i/tokenizer"), join(golden, "x4-upscaler/tokenizer")];
  const read = (...path: string[]): Buffer => readFileSync(join(...path));
  const inTokenizer =
    (reader: string, folder: string) =>
    (file: string): Format => ({ name: file, reader, file, samples: [read(folder, file)], folder });
  return [
    { name: "safetensors", reader: "weights", file: "model.safetensors", samples: [headOf(read(golden, "if-i/text_encoder/model.safetensors"))] },
    { name: "index.json", reader: "weights", file: "model.safetensors.index.json", samples: [Buffer.from(JSON.stringify({ metadata: { total_size: 8 }, weight_map: { a: "x-00001-of-00002.safetensors", b: "x-00002-of-00002.safetensors" } }))] },
    { name: "config.json", reader: "config", file: "config.json", samples: [read(golden, "if-i/unet/config.json"), read(golden, "if-i/text_encoder/config.json")] },
    { name: "preprocessor_config.json", reader: "preprocessor", file: "preprocessor_config.json", samples: [read(golden, "if-i/feature_extractor/preprocessor_config.json")] },
    ...["spiece.model", "tokenizer_config.json", "special_tokens_map.json"].map(inTokenizer("t5", t5)),
    ...["vocab.json", "merges.txt"].map(inTokenizer("clip", clip)),
    { ...inTokenizer("t5", join(saved, "t5"))("tokenizer.json"), name: "tokenizer.json of T5" },
    { ...inTokenizer("clip", join(saved, "clip"))("tokenizer.json"), name: "tokenizer.json of CLIP" },
    ...(await pictures()),
    { name: "prompt", reader: "prompt", file: "prompt.txt", samples: [Buffer.from('a <b>red</b> cat &amp; "OPEN" https://a.com/x.png 10x20 itâ€™s ﬁne ﷺ 日本 #123 <![if x]> &#x41;')] },
  ]; // prettier-ignore
}

async function pictures(): Promise<Format[]> {
  const noise = Buffer.from(Array.from({ length: 48 * 32 * 4 }, (_, i) => (i * i * 7 + i * 13) % 256));
  const picture = (): Sharp => sharp(noise, { raw: { width: 48, height: 32, channels: 4 } });
  const text = await picture()
    .png()
    .withExif({ IFD0: { ImageDescription: "x" } })
    .toBuffer();
  const kinds: [string, string, Buffer[]][] = [
    ["PNG", "a.png", [text, await picture().png({ progressive: true, palette: true }).toBuffer()]],
    ["JPEG", "a.jpg", [await picture().jpeg().toBuffer(), await picture().jpeg({ progressive: true }).toBuffer()]],
    ["WebP", "a.webp", [await picture().webp().toBuffer(), await picture().webp({ lossless: true }).toBuffer()]],
    ["AVIF", "a.avif", [await picture().avif({ effort: 0 }).toBuffer()]],
    ["TIFF", "a.tif", [await picture().tiff({ compression: "lzw" }).toBuffer(), tiffOf(5, false)]],
    ["GIF", "a.gif", [await picture().gif().toBuffer()]],
  ];
  const formats = kinds.map(([name, file, samples]): Format => ({ name, reader: "image", file, samples }));
  const masks = formats.map((format) => ({ ...format, name: `${format.name} as a mask`, reader: "mask" }));
  return [...formats, ...masks.slice(0, 1), { name: "text in PNG", reader: "pngText", file: "a.png", samples: [text] }];
}

/** Its header and some of what follows, with offsets that no longer fit: the length is what a reader meets first. */
const headOf = (file: Buffer): Buffer => file.subarray(0, 60_000);

/** Case `index` of a format: the same one for the same seed. */
export function writeCase(format: Format, seed: number, index: number, folder: string): CaseJob {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  if (format.folder) cpSync(format.folder, folder, { recursive: true });
  const sample = format.samples[index % format.samples.length] ?? Buffer.alloc(0);
  writeFileSync(join(folder, format.file), mutate(sample, createRandom(seed * 1_000_003 + index)));
  return { reader: format.reader, folder, file: format.file };
}
