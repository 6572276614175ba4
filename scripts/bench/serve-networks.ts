/**
 * Our side of the comparison network by network: started by networks.ts, answers lines of JSON (line-process.ts).
 *
 *   { network, folder, batch, threads }  loads a network, runs it once          -> {}
 *   { runs }                             runs it so many times                  -> { milliseconds } a run
 */

import { createInterface } from "node:readline";
import { elementCount } from "../../src/math/tensor.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { readSdUnetConfig } from "../../src/models/sd-unet-config.ts";
import { buildSdUnet } from "../../src/models/sd-unet.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import { buildVaeDecoder, readVaeConfig } from "../../src/models/vae.ts";
import type { Graph, Value } from "../../src/onnx/graph.ts";
import { type Feed, type Run, withSession } from "../../src/runtime/session.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { resolveVariant } from "../../src/weights/variants.ts";
import type { NetworkName } from "./networks.ts";

interface Question {
  readonly network: NetworkName;
  readonly folder: string;
  readonly batch: number;
  readonly threads: number;
  readonly runs: number;
}

const textLength = 77;
const sides = (side: number): { height: number; width: number } => ({ height: side, width: side });

type Build = (folder: string, batch: number) => Promise<Graph>;

const builders: Readonly<Record<NetworkName, Build>> = {
  T5: async (folder, batch) => buildT5Encoder(await readT5EncoderConfig(folder), { batch, textLength }),
  "stage 1 UNet": async (folder, batch) =>
    buildIfUnet(await readIfUnetConfig(folder), { batch, textLength, ...sides(64) }),
  "stage 2 UNet": async (folder, batch) =>
    buildIfUnet(await readIfUnetConfig(folder), { batch, textLength, ...sides(256) }),
  "stage 3 UNet": async (folder, batch) =>
    buildSdUnet(await readSdUnetConfig(folder), { batch, textLength, ...sides(256) }),
  "VAE decoder": async (folder, batch) => buildVaeDecoder(await readVaeConfig(folder), { batch, ...sides(256) }),
};

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function question(): Promise<Question | undefined> {
  const { value, done } = await lines.next();
  return done === true ? undefined : (JSON.parse(value) as Question);
}

const answer = (result: object): void => void process.stdout.write(`${JSON.stringify(result)}\n`);

function feedFor({ name, dtype, shape }: Value): Feed {
  const count = elementCount(shape);
  if (dtype === "int64") return new BigInt64Array(count).fill(name === "attention_mask" ? 1n : 20n);
  if (name === "timestep") return new Float32Array(count).fill(500);
  return Float32Array.from({ length: count }, (_, index) => 1.7 * Math.sin(index)); // as large as noise, mostly
}

async function serve(run: Run, feeds: Readonly<Record<string, Feed>>): Promise<void> {
  await run(feeds);
  answer({});
  for (let next = await question(); next; next = await question()) {
    const start = performance.now();
    for (let left = next.runs; left > 0; left--) await run(feeds);
    answer({ milliseconds: (performance.now() - start) / next.runs });
  }
}

const first = await question();
if (first) {
  const { network, folder, batch, threads } = first;
  const graph = await builders[network](folder, batch);
  const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, feedFor(input)]));
  const weights = await openWeights(folder, await resolveVariant(folder, undefined, ["8bit", "fp16", "fp32"]));
  await withSession(graph, weights, { executionProvider: "cpu", threads }, (run) => serve(run, feeds));
}
