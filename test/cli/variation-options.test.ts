import { expect, test } from "vitest";
import { requestsFrom } from "../../src/cli/request.ts";
import { outputsOf } from "../../src/cli/run-outputs.ts";
import type { CommonOptions } from "../../src/cli/options.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";

const options = { prompt: "a red star", seed: [7n], variations: 3, variationStrength: 0.2, output: "star.png" };
const requests = (more: object = {}, resumed = {}) =>
  requestsFrom("txt2img", { ...options, ...more } as unknown as CommonOptions, Object.values(resumed));

test("variations are towards the seeds after the image's own; their files say which", () => {
  const made = requests();
  expect(made.map(({ seed, variation }) => [seed, variation])).toEqual(
    [8, 9, 10].map((seed) => [7, { seed, strength: 0.2 }]),
  );
  const { paths } = outputsOf(made, options as unknown as CommonOptions);
  expect(paths).toEqual([["star-7-v8.png"], ["star-7-v9.png"], ["star-7-v10.png"]]);
  expect(requests({ seed: [4_294_967_295n] }).map(({ variation }) => variation?.seed)).toEqual([0, 1, 2]);
  const random = requests({ seed: undefined });
  expect(new Set(random.map(({ seed }) => seed)).size).toBe(1);
});

test("a run that is gone on with has the same ones", () => {
  const before = requests({ seed: undefined });
  expect(requests({ seed: undefined }, before)).toEqual(before);
});

test("one variation: its seed is the next one if none is given; what lacks its other half is refused", () => {
  const one = (given: object) => requestFromOptions("img2img", { prompt: "a star", image: "a.png", seed: 7, ...given });
  expect(one({ variationStrength: 0.1 }).variation).toEqual({ seed: 8, strength: 0.1 });
  expect(one({ variationSeed: 3n, variationStrength: 1 }).variation).toEqual({ seed: 3, strength: 1 });
  expect(one({}).variation).toBeUndefined();
  expect(() => one({ variationSeed: 3 })).toThrow("needs a variation strength");
  expect(() => one({ variationStrength: 2 })).toThrow(/variationStrength/);
  expect(() => requests({ variationStrength: undefined })).toThrow("--variations needs --variation-strength");
  expect(() => requests({ variationSeed: 1n })).toThrow("leave --variation-seed out");
  const enlarged = { prompt: "a star", image: "a.png", variationStrength: 0.1 };
  expect(() => requestFromOptions("upscale", enlarged)).toThrow("upscale has no variations");
});
