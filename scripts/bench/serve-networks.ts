/**
 * Our side of the comparison network by network: started by networks.ts, answers lines of JSON (line-process.ts). Networks
 * are opened as the pipelines open them.
 *
 *   { network, checkpoint, batch, threads, thrift }   loads a network, runs it once          -> {}
 *   { runs }                                          runs it so many times                  -> { milliseconds } a run
 */

import { createInterface } from "node:readline";
import { join } from "node:path";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { readSdUnetConfig } from "../../src/models/sd-unet-config.ts";
import * as components from "../../src/networks/components.ts";
import type { Thrift } from "../../src/plan/plan.ts";
import type { Feed } from "../../src/runtime/session.ts";
import type { NetworkName } from "./networks.ts";

interface Question {
  readonly network: NetworkName;
  readonly checkpoint: string;
  readonly batch: number;
  readonly threads: number;
  readonly thrift: Thrift;
  readonly runs: number;
}

type Feeds = Readonly<Record<string, Feed>>;
type Use = (run: (feeds: Feeds) => Promise<unknown>, feeds: Feeds) => Promise<void>;

const textLength = 77;

/** Numbers as large as noise, mostly. */
const waves = (count: number): Float32Array => Float32Array.from({ length: count }, (_, at) => 1.7 * Math.sin(at));

const openers: Readonly<Record<NetworkName, (question: Question, use: Use) => Promise<void>>> = {
  T5: (question, use) => {
    const { checkpoint, batch } = question;
    const input_ids = new BigInt64Array(batch * textLength).fill(20n);
    const attention_mask = new BigInt64Array(batch * textLength).fill(1n);
    return components.withT5Encoder(checkpoint, { batch, textLength }, settingsOf(question), (run) =>
      use(run, { input_ids, attention_mask }),
    );
  },
  "stage 1 UNet": (question, use) => openIfUnet(question, 64, use),
  "stage 2 UNet": (question, use) => openIfUnet(question, 256, use),
  "stage 3 UNet": async (question, use) => {
    const { checkpoint, batch } = question;
    const config = await readSdUnetConfig(join(checkpoint, "unet"));
    const feeds = {
      sample: waves(batch * config.in_channels * 256 * 256),
      timestep: new Float32Array(batch).fill(500),
      encoder_hidden_states: waves(batch * textLength * config.cross_attention_dim),
      class_labels: new BigInt64Array(batch).fill(20n),
    };
    const texts = batch === 2 ? 2 : 1; // a picture with guidance
    const shape = { batch, texts, height: 256, width: 256, textLength };
    await components.withSdUnet(checkpoint, shape, settingsOf(question), (run) => use(run, feeds));
  },
  "VAE decoder": (question, use) => {
    const { checkpoint, batch } = question;
    const shape = { batch, height: 256, width: 256 };
    const feeds = { latents: waves(batch * 4 * 256 * 256) };
    return components.withVaeDecoder(checkpoint, shape, settingsOf(question), (run) => use(run, feeds));
  },
};

async function openIfUnet(question: Question, side: number, use: Use): Promise<void> {
  const { checkpoint, batch } = question;
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const feeds = {
    sample: waves(batch * config.in_channels * side * side),
    timestep: new Float32Array(batch).fill(500),
    encoder_hidden_states: waves(batch * textLength * config.encoder_hid_dim),
    ...(side === 64 ? {} : { class_labels: new Float32Array(batch).fill(20) }),
  };
  const shape = { batch, height: side, width: side, textLength };
  await components.withIfUnet(checkpoint, shape, settingsOf(question), (run) => use(run, feeds));
}

const settingsOf = ({ threads, thrift }: Question): components.NetworkSettings => ({
  executionProvider: "cpu",
  threads,
  ...thrift,
});

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function nextQuestion(): Promise<Question | undefined> {
  const { value, done } = await lines.next();
  return done === true ? undefined : (JSON.parse(value) as Question);
}

const answer = (result: object): void => void process.stdout.write(`${JSON.stringify(result)}\n`);

const first = await nextQuestion();
if (first) {
  await openers[first.network](first, async (run, feeds) => {
    await run(feeds);
    answer({});
    for (let next = await nextQuestion(); next; next = await nextQuestion()) {
      const start = performance.now();
      for (let left = next.runs; left > 0; left--) await run(feeds);
      answer({ milliseconds: (performance.now() - start) / next.runs });
    }
  });
}
