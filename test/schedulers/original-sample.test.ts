import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../src/schedulers/config.ts";
import { splitVariance, threshold } from "../../src/schedulers/original-sample.ts";

const config = resolveConfig({ className: "DDPMScheduler", keys: {} }, "DDPMScheduler", {
  dynamicThresholdingRatio: 1,
  sampleMaxValue: 1.5,
});

describe("dynamic thresholding", () => {
  test("is done per image, between 1 and the largest allowed value", () => {
    const data = Float32Array.of(0.5, -0.25, 1.25, -0.625, 3, -1.5);
    threshold(config, { data, shape: [3, 2] });
    expect([...data]).toEqual([0.5, -0.25, 1, -0.5, 1, -1]);
  });

  test("no image is divided where the largest allowed value is 1", () => {
    const data = Float32Array.of(0.5, -0.25, 1.25, -1, Number.NaN, 0.5);
    threshold({ ...config, sampleMaxValue: 1 }, { data, shape: [3, 2] });
    expect([...data]).toEqual([0.5, -0.25, 1, -1, Number.NaN, Number.NaN]);
  });

  test("a NaN makes its own image NaN, which later checks can see", () => {
    const data = Float32Array.of(Number.NaN, 0.5, 0.5, 0.25);
    threshold(config, { data, shape: [2, 2] });
    expect([...data]).toEqual([Number.NaN, Number.NaN, 0.5, 0.25]);
  });
});

test("the variance is the second half of each image's channels", () => {
  const output = { data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape: [2, 2, 2, 1] };
  const { prediction, variance } = splitVariance(output, [2, 1, 2, 1]);
  expect([...prediction.data]).toEqual([1, 2, 5, 6]);
  expect([...variance.data]).toEqual([3, 4, 7, 8]);
});
