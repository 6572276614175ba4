/**
 * What T5 loses in fewer bits: the cosine similarity of its embeddings to those of the float weights, over all tokens and
 * for the worst one, and the processor time of a run.
 *
 *   node build/scripts/measure-quantization.js TEXT_ENCODER_FOLDER [--variant fp16] [--threads 2]
 *
 * Two texts of 77 tokens, the first with 20 that are no padding. Prints a line for each way of storing and computing.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildT5Encoder, readT5EncoderConfig } from "../src/models/t5-encoder.ts";
import type { Graph } from "../src/onnx/graph.ts";
import { withInt8Activations } from "../src/onnx/int8-activations.ts";
import { withSession } from "../src/runtime/session.ts";
import { type WeightTable, openWeights } from "../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../src/weights/quantize-checkpoint.ts";
import { type QuantizedBits, quantizedLayouts } from "../src/weights/quantized-layout.ts";
import type { Variant } from "../src/weights/variants.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { variant: { type: "string", default: "fp16" }, threads: { type: "string", default: "2" } },
});
const [folder = "."] = positionals;
const [BATCH, LENGTH, WORDS] = [2, 77, 20];

const config = await readT5EncoderConfig(folder);
const graph = buildT5Encoder(config, { batch: BATCH, textLength: LENGTH });
const isWord = (at: number): boolean => at % LENGTH < WORDS || at >= LENGTH;
let state = 7;
const random = (count: number): number => (state = (state * 48271) % 2147483647) % count;
const ids = Array.from({ length: BATCH * LENGTH }, (_, at) => BigInt(isWord(at) ? random(config.vocab_size) : 0));
const mask = ids.map((_, at) => BigInt(isWord(at) ? 1 : 0));
const feeds = { input_ids: BigInt64Array.from(ids), attention_mask: BigInt64Array.from(mask) };

async function run(network: Graph, weights: WeightTable): Promise<{ data: Float32Array; seconds: number }> {
  const before = process.cpuUsage();
  const settings = { executionProvider: "cpu", threads: Number(values.threads), weightMode: "mapped" } as const;
  const data = await withSession(network, weights, settings, async (use) =>
    Float32Array.from((await use(feeds)).get("last_hidden_state")?.data ?? []),
  );
  const { user, system } = process.cpuUsage(before);
  return { data, seconds: (user + system) / 1e6 };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] ?? NaN, b[at] ?? NaN];
    [dot, aa, bb] = [dot + x * y, aa + x * x, bb + y * y];
  }
  return dot / Math.sqrt(aa * bb);
}

const exact = await run(graph, await openWeights(folder, values.variant as Variant));

async function report(name: string, network: Graph, weights: WeightTable): Promise<void> {
  const { data, seconds } = await run(network, weights);
  const width = config.d_model;
  const token = (all: Float32Array, at: number): Float32Array => all.subarray(at * width, (at + 1) * width);
  const words = ids.map((_, at) => at).filter(isWord);
  const worst = Math.min(...words.map((at) => cosine(token(exact.data, at), token(data, at))));
  const total = cosine(exact.data, data);
  console.log(
    `${name}: cosine ${total.toFixed(5)}, worst token ${worst.toFixed(5)}, ${seconds.toFixed(1)} s of processor`,
  );
}

const cache = mkdtempSync(join(tmpdir(), "measure-quantization-"));
try {
  const quantized = async (bits: QuantizedBits): Promise<WeightTable> => {
    const source = await openWeights(folder, values.variant as Variant);
    return openWeights(await quantizeIntoCache(source, cache, bits), quantizedLayouts[bits].variant);
  };
  const eightBit = await quantized(8);
  await report("8 bits", graph, eightBit);
  await report("8 bits, int8 activations", withInt8Activations(graph), eightBit);
  await report("4 bits", graph, await quantized(4));
} finally {
  rmSync(cache, { recursive: true });
}
