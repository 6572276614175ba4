/**
 * Runs one network of a checkpoint in a process of its own and compares its memory with what was predicted.
 *
 *   node build/scripts/measure/memory.js NETWORK CHECKPOINT [--batch 2] [--side 64] [--runs 2] [--threads 2] [--mode mapped]
 *
 * NETWORK: t5, if-unet, sd-unet, clip-text, vae-decoder. Prints a line of JSON, sizes in MB (10^6 bytes).
 */

import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { elementCount } from "../../src/math/tensor.ts";
import { readClipTextConfig, buildClipText } from "../../src/models/clip-text.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { readSdUnetConfig } from "../../src/models/sd-unet-config.ts";
import { buildSdUnet } from "../../src/models/sd-unet.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import { buildVaeDecoder, readVaeConfig } from "../../src/models/vae.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import { graphMemory } from "../../src/onnx/memory.ts";
import { bindWeights } from "../../src/runtime/bind-weights.ts";
import { type Feed, withSession } from "../../src/runtime/session.ts";
import { cpu } from "../../src/onnx/lower/cpu/cpu.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: "string", default: "1" },
    side: { type: "string", default: "64" },
    runs: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    mode: { type: "string", default: "mapped" },
    child: { type: "boolean" },
  },
});
const [network = "", checkpoint = ""] = positionals;
const side = Number(values.side);
const shape = { batch: Number(values.batch), height: side, width: side, textLength: 77 };

const builders: Readonly<Record<string, () => Promise<{ graph: Graph; folder: string }>>> = {
  t5: async () => {
    const folder = `${checkpoint}/text_encoder`;
    return { folder, graph: buildT5Encoder(await readT5EncoderConfig(folder), shape) };
  },
  "if-unet": async () => {
    const folder = `${checkpoint}/unet`;
    return { folder, graph: buildIfUnet(await readIfUnetConfig(folder), shape) };
  },
  "sd-unet": async () => {
    const folder = `${checkpoint}/unet`;
    return { folder, graph: buildSdUnet(await readSdUnetConfig(folder), shape) };
  },
  "clip-text": async () => {
    const folder = `${checkpoint}/text_encoder`;
    return { folder, graph: buildClipText(await readClipTextConfig(folder), shape) };
  },
  "vae-decoder": async () => {
    const folder = `${checkpoint}/vae`;
    return { folder, graph: buildVaeDecoder(await readVaeConfig(folder), shape) };
  },
};

async function child(): Promise<void> {
  const { graph, folder } = await builders[network]!();
  const weights = await openWeights(folder);
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }): [string, Feed] => {
      const count = elementCount(shape);
      if (dtype === "int64") return [name, new BigInt64Array(count).fill(1n)];
      return [name, Float32Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898))];
    }),
  );
  process.send?.({ phase: "base" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const settings = { executionProvider: "cpu", threads: Number(values.threads), weightMode: values.mode } as const;
  await withSession(graph, weights, settings as never, async (run) => {
    process.send?.({ phase: "loaded" });
    for (let at = 0; at < Number(values.runs); at++) {
      const start = performance.now();
      const [result] = [...(await run(feeds)).values()];
      const numbers = Array.from(result?.data ?? []);
      const rms = Math.hypot(...numbers.slice(0, 1e4)) / Math.sqrt(Math.min(1e4, numbers.length));
      process.send?.({ phase: `run${at}`, seconds: (performance.now() - start) / 1000, rms });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  });
  process.disconnect();
}

const mb = (bytes: number): number => Math.round(bytes / 1e5) / 10;

async function parent(): Promise<void> {
  const { graph, folder } = await builders[network]!();
  const weights = await openWeights(folder);
  const lowered = lower(graph, await bindWeights(weights), cpu);
  const memory = graphMemory(lowered);
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--child"]);
  const peaks: Record<string, { anon: number; file: number; rss: number }> = {};
  const notes: unknown[] = [];
  let phase = "start";
  child.on("message", (message: { phase: string }) => {
    notes.push(message);
    sample();
    phase = message.phase;
  });
  const sample = (): void => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      const kb = (key: string): number => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
      const peak = (peaks[phase] ??= { anon: 0, file: 0, rss: 0 });
      peak.anon = Math.max(peak.anon, kb("RssAnon"));
      peak.file = Math.max(peak.file, kb("RssFile"));
      peak.rss = Math.max(peak.rss, kb("VmHWM"));
    } catch {
      // ended
    }
  };
  const timer = setInterval(sample, 5);
  await new Promise((resolve) => child.once("exit", resolve));
  clearInterval(timer);
  console.log(
    JSON.stringify({
      network,
      batch: shape.batch,
      side,
      predicted: {
        file: mb(memory.fileBytes),
        activations: mb(memory.peakBytes),
        scratch: mb(memory.scratchBytes),
        at: memory.peakNode,
        constants: mb(memory.constantBytes),
        nodes: memory.nodes,
      },
      measured: Object.fromEntries(
        Object.entries(peaks).map(([name, { anon, file, rss }]) => [name, [mb(anon), mb(file), mb(rss)].join(" / ")]),
      ),
      notes,
    }),
  );
}

await (values.child ? child() : parent());
