/**
 * T5 in fewer bits: what making them takes, what a run takes against what was predicted, and what is lost: the cosine
 * similarity of the embeddings to those of the float weights, over all 77 tokens and for the worst word.
 *
 *   node build/scripts/measure/quantization.js TEXT_ENCODER_FOLDER [--variant fp16] [--threads 2] [--tokenizer FOLDER]
 *     [--prompt TEXT]... [--way float|8-bit|8-bit-int8|4-bit]... [--cache FOLDER] [--cold]
 *
 * All prompts are encoded in one run; each step has a process of its own. Float weights are computed with in float32,
 * however they are stored. --cold: each run twice, the first with an empty page cache (needs root). --cache keeps what was
 * made, for the next call.
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { predictNetwork } from "../../src/memory/predict-network.ts";
import type { MemoryPeaks } from "../../src/executor/memory-guard.ts";
import { TEXT_LENGTH } from "../../src/networks/description.ts";
import type { NetworkNeed } from "../../src/memory/budget.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { type QuantizedBits, quantizedLayouts } from "../../src/weights/quantized-layout.ts";
import type { Variant } from "../../src/weights/variants.ts";
import { compareEmbeds } from "./compare-embeds.ts";
import {
  type EncodeStep,
  type Encoded,
  type QuantizeStep,
  type Quantized,
  buildTextEncoder,
  readEmbeds,
} from "./text-encoder-steps.ts";
import { dropPageCache, watched } from "./watched-process.ts";

interface Way {
  readonly bits?: QuantizedBits;
  readonly activations: EncodeStep["activations"];
}

const ways: Readonly<Record<string, Way>> = {
  float: { activations: "float32" },
  "8-bit": { bits: 8, activations: "float32" },
  "8-bit-int8": { bits: 8, activations: "int8" },
  "4-bit": { bits: 4, activations: "float32" },
};

/** From no word at all to all 77 tokens. */
const PROMPTS = [
  "",
  "a red circle",
  "a photo of a cat, a photo of a dog",
  "a photo of a kangaroo wearing an orange hoodie and blue sunglasses standing in front of the eiffel tower",
  Array.from({ length: 12 }, (_, at) => `${at} more words about a picture of a squirrel`).join(", "),
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    variant: { type: "string", default: "fp16" },
    threads: { type: "string", default: "2" },
    tokenizer: { type: "string" },
    prompt: { type: "string", multiple: true, default: PROMPTS },
    way: { type: "string", multiple: true, default: Object.keys(ways) },
    cache: { type: "string" },
    cold: { type: "boolean", default: false },
  },
});
const [source = "."] = positionals;
const sourceVariant = values.variant as Variant;
const cache = values.cache ?? mkdtempSync(join(tmpdir(), "measure-quantization-"));
mkdirSync(cache, { recursive: true });

const tokenizer = await createT5Tokenizer(values.tokenizer ?? join(source, "../tokenizer"));
const texts = values.prompt.map((prompt) => tokenizer.encode(prompt, TEXT_LENGTH));
const attentionMask = texts.map((text) => text.attentionMask);
const words = attentionMask.map((mask) => mask.reduce((sum, bit) => sum + bit, 0));

const script = new URL("./run-text-encoder-step.js", import.meta.url);
const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
const outputOf = (name: string): string => join(cache, `${name}.embeds`);

async function quantized(bits: QuantizedBits): Promise<{ folder: string; variant: Variant }> {
  const step: QuantizeStep = { step: "quantize", folder: source, variant: sourceVariant, cache, bits };
  const { folder, bytes, seconds, peaks } = await watched<Quantized>(script, step);
  console.log(
    `made ${bits}-bit, or found: ${bytes} bytes, ${seconds.toFixed(1)} s, ` +
      `peak ${mb(peaks.residentBytes)} MB, of it private ${mb(peaks.privateBytes)}`,
  );
  return { folder, variant: quantizedLayouts[bits].variant };
}

async function need(step: EncodeStep): Promise<NetworkNeed> {
  const build = await buildTextEncoder(step);
  const network = {
    name: "T5",
    folder: step.folder,
    published: [],
    weights: "text-encoder",
    batch: texts.length,
    build,
    fitsFloat16: false,
    canTile: false,
    runsOnce: true,
  } as const;
  return predictNetwork(network, await openWeights(step.folder, step.variant), {}, "cpu");
}

function report(title: string, { peakBytes, privateBytes }: NetworkNeed, run: Encoded & { peaks: MemoryPeaks }): void {
  const { residentBytes: peak, privateBytes: measuredPrivate } = run.peaks;
  console.log(
    `${title}: ${run.seconds.toFixed(1)} s, ${run.cpuSeconds.toFixed(1)} s of CPU; ` +
      `peak ${mb(peakBytes)} MB predicted, ${mb(peak)} measured (${(peakBytes / peak).toFixed(3)}), ` +
      `private ${mb(privateBytes)} predicted, ${mb(measuredPrivate)} measured`,
  );
}

async function measure(name: string, { bits, activations }: Way): Promise<void> {
  const stored = bits === undefined ? { folder: source, variant: sourceVariant } : await quantized(bits);
  const shared = { inputIds: texts.map(({ inputIds }) => inputIds), attentionMask, threads: Number(values.threads) };
  const step: EncodeStep = { step: "encode", ...stored, activations, ...shared, output: outputOf(name) };
  const predicted = await need(step);
  for (const cold of values.cold ? [true, false] : [false]) {
    if (cold) dropPageCache();
    report(`${name}${cold ? ", cold" : ""}`, predicted, await watched<Encoded>(script, step));
  }
  if (bits === undefined || !existsSync(outputOf("float"))) return;
  const { all, worst, texts: each } = compareEmbeds(readEmbeds(outputOf("float")), readEmbeds(step.output), words);
  const list = each.map((similarity, at) => `${words[at]} tokens ${similarity.toFixed(5)}`).join(", ");
  console.log(`${name}: cosine ${all.toFixed(5)}, worst word ${worst.toFixed(5)}; ${list}`);
}

try {
  for (const name of values.way) {
    const way = ways[name];
    if (!way) throw new Error(`--way is one of ${Object.keys(ways).join(", ")}`);
    await measure(name, way);
  }
} finally {
  if (values.cache === undefined) rmSync(cache, { recursive: true });
}
