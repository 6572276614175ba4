import { expect, test } from "vitest";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { describeIfUnet } from "../../src/networks/if-unet.ts";
import { inMicroBatches, microBatchOf, withoutRepeats } from "../../src/networks/micro-batches.ts";
import { withNetwork } from "../../src/networks/open-network.ts";
import { goldenPath } from "../golden.ts";

test.each([
  [8, undefined, 8],
  [8, 3, 2],
  [6, 3, 3],
  [7, 4, 1],
  [2, 100, 2],
  [2, 0, 1],
])("a batch of %d, at most %s at once: %d", (batch, most, size) => {
  expect(microBatchOf(batch, most)).toBe(size);
});

test("samples in micro-batches give what they give at once", async () => {
  const checkpoint = goldenPath("checkpoints/if-i");
  const config = await readIfUnetConfig(goldenPath("checkpoints/if-i/unet"));
  const shape = { images: 4, guidanceScale: 1, width: 24, height: 24 };
  const description = {
    ...(await describeIfUnet(checkpoint, shape)),
    build: (batch: number) => buildIfUnet(config, { batch, height: 24, width: 24, textLength: 5 }),
  };
  const wave = (length: number, phase: number): Float32Array =>
    Float32Array.from({ length }, (_, at) => Math.sin(at * 0.37 + phase));
  const feeds = {
    sample: wave(4 * 3 * 24 * 24, 0),
    timestep: Float32Array.of(900, 500, 100, 3),
    encoder_hidden_states: wave(4 * 5 * config.encoder_hid_dim, 1),
  };
  const run = (microBatch?: number, into?: Float32Array): Promise<Float32Array> =>
    withNetwork(
      description,
      { executionProvider: "cpu", ...(microBatch === undefined ? {} : { microBatch }) },
      async (network) => (await network(feeds, into)).data,
    );
  const [whole, halves, single] = [await run(), await run(2), await run(1)];
  const place = new Float32Array(whole.length);
  for (const [microBatch, expected] of [[undefined, whole] as const, [2, halves] as const]) {
    const placed = await run(microBatch, place.fill(NaN));
    expect(placed.buffer).toBe(place.buffer); // nothing new is made
    expect(placed).toEqual(expected);
  }
  await expect(run(undefined, new Float32Array(7))).rejects.toThrow("does not fit into 7 numbers");
  const worst = (other: ArrayLike<number>): number =>
    Math.max(...Array.from(whole, (value, at) => Math.abs(value - (other[at] ?? NaN))));
  expect(whole).toHaveLength(4 * 6 * 24 * 24);
  expect(worst(halves)).toBeLessThan(1e-5);
  expect(worst(single)).toBeLessThan(1e-5);
});

test("numbers that cannot be shared out are a mistake of ours", async () => {
  const run = inMicroBatches(() => Promise.resolve(new Map()), 2);
  await expect(run({ sample: new Float32Array(3) })).rejects.toThrow(
    /3 numbers of sample cannot be split into 2 micro-/,
  );
});

test("an input that takes one sample of a batch that repeats is fed the first", async () => {
  const fed: Record<string, ArrayLike<number | bigint>>[] = [];
  const run = withoutRepeats(
    (feeds) => {
      fed.push(feeds);
      return Promise.resolve(new Map());
    },
    { inputs: [{ name: "text", dtype: "float32", shape: [1, 2] }] },
  );
  await run({ text: Float32Array.of(1, 2, 1, 2), sample: Float32Array.of(3, 4) });
  expect(fed).toEqual([{ text: Float32Array.of(1, 2), sample: Float32Array.of(3, 4) }]);
});
