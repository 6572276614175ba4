/**
 * Our side of the comparison network by network: started by networks.ts, answers lines of JSON (line-process.ts). Networks
 * are described and opened as the pipelines do it.
 *
 *   { network, checkpoint, batch, threads, lowMemory }   loads a network, runs it once       -> {}
 *   { runs }                                             runs it so many times               -> { milliseconds } a run
 */

import { createInterface } from "node:readline";
import { join } from "node:path";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { readSdUnetConfig } from "../../src/models/sd-unet-config.ts";
import { type NetworkDescription, TEXT_LENGTH } from "../../src/networks/description.ts";
import { type DrawnShape, describeIfUnet } from "../../src/networks/if-unet.ts";
import { withNetwork } from "../../src/networks/open-network.ts";
import { describeT5Encoder } from "../../src/networks/text-encoder.ts";
import { describeUpscaler } from "../../src/networks/upscaler.ts";
import type { LowMemory } from "../../src/plan/plan.ts";
import type { Feed } from "../../src/runtime/session.ts";
import type { NetworkName } from "./networks.ts";

interface Question {
  readonly network: NetworkName;
  readonly checkpoint: string;
  readonly batch: number;
  readonly threads: number;
  readonly lowMemory: LowMemory;
  readonly runs: number;
}

interface Opened {
  readonly description: NetworkDescription;
  readonly feeds: Readonly<Record<string, Feed>>;
}

/** Numbers as large as noise, mostly. */
const waves = (count: number): Float32Array => Float32Array.from({ length: count }, (_, at) => 1.7 * Math.sin(at));

/** An image with guidance is a batch of two. */
const shapeOf = (batch: number, side: number): DrawnShape =>
  batch === 2
    ? { images: 1, guidanceScale: 2, width: side, height: side }
    : { images: batch, guidanceScale: 1, width: side, height: side };

const descriptions: Readonly<Record<NetworkName, (question: Question) => Promise<Opened>>> = {
  T5: async ({ checkpoint, batch }) => ({
    description: await describeT5Encoder(checkpoint, { texts: batch }),
    feeds: {
      input_ids: new BigInt64Array(batch * TEXT_LENGTH).fill(20n),
      attention_mask: new BigInt64Array(batch * TEXT_LENGTH).fill(1n),
    },
  }),
  "stage 1 UNet": (question) => ifUnet(question, 64),
  "stage 2 UNet": (question) => ifUnet(question, 256),
  "stage 3 UNet": async ({ checkpoint, batch }) => {
    const config = await readSdUnetConfig(join(checkpoint, "unet"));
    return {
      description: (await describeUpscaler(checkpoint, shapeOf(batch, 1024))).unet,
      feeds: {
        sample: waves(batch * config.in_channels * 256 * 256),
        timestep: new Float32Array(batch).fill(500),
        encoder_hidden_states: waves(batch * TEXT_LENGTH * config.cross_attention_dim),
        class_labels: new BigInt64Array(batch).fill(20n),
      },
    };
  },
  "VAE decoder": async ({ checkpoint }) => ({
    description: (await describeUpscaler(checkpoint, shapeOf(1, 1024))).decoder,
    feeds: { latents: waves(4 * 256 * 256) },
  }),
};

async function ifUnet({ checkpoint, batch }: Question, side: number): Promise<Opened> {
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const feeds = {
    sample: waves(batch * config.in_channels * side * side),
    timestep: new Float32Array(batch).fill(500),
    encoder_hidden_states: waves(batch * TEXT_LENGTH * config.encoder_hid_dim),
    ...(side === 64 ? {} : { class_labels: new Float32Array(batch).fill(20) }),
  };
  return { description: await describeIfUnet(checkpoint, shapeOf(batch, side)), feeds };
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function nextQuestion(): Promise<Question | undefined> {
  const { value, done } = await lines.next();
  return done === true ? undefined : (JSON.parse(value) as Question);
}

const answer = (result: object): void => void process.stdout.write(`${JSON.stringify(result)}\n`);

const first = await nextQuestion();
if (first) {
  const { description, feeds } = await descriptions[first.network](first);
  const settings = { executionProvider: "cpu", threads: first.threads, ...first.lowMemory } as const;
  await withNetwork(description, settings, async (run) => {
    await run(feeds);
    answer({});
    for (let next = await nextQuestion(); next; next = await nextQuestion()) {
      const start = performance.now();
      for (let left = next.runs; left > 0; left--) await run(feeds);
      answer({ milliseconds: (performance.now() - start) / next.runs });
    }
  });
}
