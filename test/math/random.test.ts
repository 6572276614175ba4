import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { StageError, UsageError } from "../../src/errors.ts";
import { createGenerator, restoreGenerator, type Generator } from "../../src/math/random.ts";
import { goldenPath } from "../golden.ts";
import { maxDifference, readGoldenTensors } from "./golden-tensors.ts";

type Dtype = "f16" | "f32" | "f64";
interface Draw {
  key: string;
  dtype: Dtype;
  shape: number[];
}
interface Index {
  single: (Draw & { seed: string })[];
  sequences: { seed: string; draws: Draw[] }[];
  equal_seeds: [string, string][];
  refused_seeds: { seed: string }[];
}

const index = JSON.parse(readFileSync(goldenPath("rng", "randn.json"), "utf8")) as Index;
const golden = readGoldenTensors("rng", "randn.safetensors");

/** log and sin of the reference's C library may end in another digit than JavaScript's. */
const doubleTolerance = 1e-15;

const dtypeNames = { f16: "float16", f32: "float32" } as const;

/** @returns the key of a draw that is not the recorded one; draws in any case. */
function differing(generator: Generator, { key, dtype, shape }: Draw): string[] {
  const same =
    dtype === "f64"
      ? maxDifference(generator.randn64(shape), golden.doubles(key)) <= doubleTolerance
      : maxDifference(generator.randn(shape, dtypeNames[dtype]).data, golden.floats(key)) === 0;
  return same ? [] : [key];
}

describe("torch.randn", () => {
  test("the golden index is there", () => {
    expect(index.single.length).toBeGreaterThan(50);
    expect(new Set(index.single.map(({ dtype }) => dtype))).toEqual(new Set(["f16", "f32", "f64"]));
    expect(index.sequences.length).toBeGreaterThan(3);
  });

  test.each([...new Set(index.single.map(({ seed }) => seed))])("seed %s, every shape and dtype", (seed) => {
    const draws = index.single.filter((draw) => draw.seed === seed);
    expect(draws.flatMap((draw) => differing(createGenerator(BigInt(seed)), draw))).toEqual([]);
  });

  test.each(index.sequences)("one generator, dtypes and sizes mixed, seed $seed", ({ seed, draws }) => {
    const generator = createGenerator(BigInt(seed));
    expect(draws.flatMap((draw) => differing(generator, draw))).toEqual([]);
  });
});

describe("seeds", () => {
  test.each(index.equal_seeds)("%s draws what %s draws", (one, other) => {
    expect(createGenerator(BigInt(one)).randn([20])).toEqual(createGenerator(BigInt(other)).randn([20]));
  });

  test.each(index.refused_seeds)("$seed is refused", ({ seed }) => {
    expect(() => createGenerator(BigInt(seed))).toThrow(UsageError);
  });

  test.each([0.5, Number.NaN, Infinity, 2 ** 53])("the number %s is refused: it is not exact", (seed) => {
    expect(() => createGenerator(seed)).toThrow(UsageError);
  });

  test("the result has the shape asked for", () => {
    expect(createGenerator(0).randn([2, 3, 5]).shape).toEqual([2, 3, 5]);
    expect(createGenerator(0).randn([]).data).toHaveLength(1);
    expect(createGenerator(0).randn([0, 3]).data).toHaveLength(0);
  });

  test("a number and a bigint are the same seed", () => {
    expect(createGenerator(-5).randn([4])).toEqual(createGenerator(-5n).randn([4]));
  });
});

describe("saved state", () => {
  test.each(index.sequences)("each draw by a generator restored from the last one, seed $seed", ({ seed, draws }) => {
    let generator = createGenerator(BigInt(seed));
    const wrong = draws.flatMap((draw) => {
      generator = restoreGenerator(generator.saveState());
      return differing(generator, draw);
    });
    expect(wrong).toEqual([]);
  });

  test("survives lying inside a larger buffer", () => {
    const generator = createGenerator(3);
    generator.randn([3]);
    const state = generator.saveState();
    const shifted = new Uint8Array(state.length + 5).subarray(3, 3 + state.length);
    shifted.set(state);
    expect(restoreGenerator(shifted).randn([7])).toEqual(generator.randn([7]));
  });

  test("is a copy", () => {
    const generator = createGenerator(3);
    const state = generator.saveState();
    const first = generator.randn([700]);
    expect(restoreGenerator(state).randn([700])).toEqual(first);
  });

  const good = createGenerator(1).saveState();
  const changed = (at: number, value: number): Uint8Array => good.map((byte, i) => (i === at ? value : byte));
  const afterWords = 8 + 4 * 624;
  test.each([
    ["empty", new Uint8Array()],
    ["a byte too short", good.subarray(1)],
    ["of another format", changed(0, 0)],
    ["at an impossible position", changed(afterWords + 3, 1)],
    ["with an impossible flag", changed(afterWords + 4, 2)],
    ["with a cached NaN", changed(afterWords + 15, 0x7f).map((byte, i) => (i === afterWords + 14 ? 0xf8 : byte))],
  ])("%s is refused", (_, state) => {
    expect(() => restoreGenerator(state)).toThrow(StageError);
  });
});

test("the numbers are standard normal", () => {
  const { data } = createGenerator(11).randn([100_000]);
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  const variance = data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(Math.abs(variance - 1)).toBeLessThan(0.02);
});
