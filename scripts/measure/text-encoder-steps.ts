/** The steps of quantization.ts: T5's weights made smaller, texts encoded with them. */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import { withInt8Activations } from "../../src/onnx/int8-activations.ts";
import { exactActivationBits } from "../../src/runtime/int8-products.ts";
import { withSession } from "../../src/runtime/session.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../src/weights/quantize-checkpoint.ts";
import { type QuantizedBits, quantizedLayouts } from "../../src/weights/quantized-layout.ts";
import type { Variant } from "../../src/weights/variants.ts";

export interface QuantizeStep {
  readonly step: "quantize";
  readonly folder: string;
  readonly variant: Variant;
  readonly cache: string;
  readonly bits: QuantizedBits;
}

export interface EncodeStep {
  readonly step: "encode";
  readonly folder: string;
  readonly variant: Variant;
  readonly activations: "float32" | "int8";
  readonly inputIds: readonly (readonly number[])[];
  readonly attentionMask: readonly (readonly number[])[];
  readonly threads: number;
  /** Where the embeddings go, (B, L, D) float32. */
  readonly output: string;
}

export interface Quantized {
  readonly folder: string;
  readonly bytes: number;
  readonly seconds: number;
}

export interface Encoded {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** The network of a step, also for its prediction. */
export async function buildTextEncoder({
  folder,
  inputIds,
  activations,
}: EncodeStep): Promise<(batch: number) => Graph> {
  const config = await readT5EncoderConfig(folder);
  const bits = activations === "int8" ? await exactActivationBits() : undefined;
  return (batch) => {
    const graph = buildT5Encoder(config, { batch, textLength: inputIds[0]?.length ?? 0 });
    return bits ? withInt8Activations(bits)(graph) : graph;
  };
}

export async function quantize({ folder, variant, cache, bits }: QuantizeStep): Promise<Quantized> {
  const start = performance.now();
  const quantized = await quantizeIntoCache(await openWeights(folder, variant), cache, bits);
  const { size } = statSync(join(quantized, quantizedLayouts[bits].file));
  return { folder: quantized, bytes: size, seconds: (performance.now() - start) / 1000 };
}

export async function encode(step: EncodeStep): Promise<Encoded> {
  const { folder, variant, inputIds, attentionMask, threads, output } = step;
  const [start, before] = [performance.now(), process.cpuUsage()];
  const graph = (await buildTextEncoder(step))(inputIds.length);
  const settings = { executionProvider: "cpu", threads, weightMode: "mapped" } as const;
  const embeds = await withSession(graph, await openWeights(folder, variant), settings, (run) =>
    run({
      input_ids: BigInt64Array.from(inputIds.flat().map(BigInt)),
      attention_mask: BigInt64Array.from(attentionMask.flat().map(BigInt)),
    }),
  );
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - start) / 1000;
  const data = embeds.get("last_hidden_state")?.data ?? new Float32Array();
  writeFileSync(output, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

/** What `encode` wrote. */
export function readEmbeds(output: string): Float32Array {
  return new Float32Array(Uint8Array.from(readFileSync(output)).buffer);
}
