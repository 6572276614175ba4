import { expect, test } from "vitest";
import { withIfUnet } from "../../src/networks/components.ts";
import { batchPerTurn, inTurns } from "../../src/networks/micro-batches.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { goldenPath } from "../golden.ts";

test.each([
  [8, undefined, 8],
  [8, 3, 2],
  [6, 3, 3],
  [7, 4, 1],
  [2, 100, 2],
  [2, 0, 1],
])("a batch of %d, at most %s at once: %d", (batch, most, own) => {
  expect(batchPerTurn(batch, most)).toBe(own);
});

test("samples in turns give what they give at once", async () => {
  const { encoder_hid_dim: width } = await readIfUnetConfig(goldenPath("checkpoints/if-i/unet"));
  const shape = { batch: 4, height: 24, width: 24, textLength: 5 };
  const wave = (length: number, phase: number): Float32Array =>
    Float32Array.from({ length }, (_, at) => Math.sin(at * 0.37 + phase));
  const feeds = {
    sample: wave(4 * 3 * 24 * 24, 0),
    timestep: Float32Array.of(900, 500, 100, 3),
    encoder_hidden_states: wave(4 * 5 * width, 1),
  };
  const run = (maxBatch?: number): Promise<ArrayLike<number>> =>
    withIfUnet(
      goldenPath("checkpoints/if-i"),
      shape,
      { executionProvider: "cpu", ...(maxBatch === undefined ? {} : { maxBatch }) },
      async (network) => (await network(feeds)).data,
    );
  const [whole, halves, single] = [await run(), await run(2), await run(1)];
  const worst = (other: ArrayLike<number>): number =>
    Math.max(...Array.from(whole, (value, at) => Math.abs(value - (other[at] ?? NaN))));
  expect(whole).toHaveLength(4 * 6 * 24 * 24);
  expect(worst(halves)).toBeLessThan(1e-5);
  expect(worst(single)).toBeLessThan(1e-5);
});

test("numbers that cannot be shared out are a mistake of ours", async () => {
  const run = inTurns(() => Promise.resolve(new Map()), 2);
  await expect(run({ sample: new Float32Array(3) })).rejects.toThrow(/3 numbers of sample cannot take 2 turns/);
});
