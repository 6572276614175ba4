/** Guidance against the original repository's own loop, and diffusers' functions. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { denoise } from "../../src/pipelines/denoise.ts";
import { applyGuidance } from "../../src/pipelines/guidance.ts";
import { parseSchedulerConfig } from "../../src/schedulers/config.ts";
import { createScheduler } from "../../src/schedulers/create-scheduler.ts";
import { schedulerOptions } from "../../src/schedulers/scheduler-options.ts";
import { respacedTimesteps } from "../../src/schedulers/respacing.ts";
import { bundledPath } from "../golden.ts";
import { maxDifference } from "../math/golden-tensors.ts";
import { goldenConfig } from "../schedulers/golden-schedulers.ts";

interface Golden {
  readonly original: readonly {
    readonly respacing: string;
    readonly guidance: number;
    readonly p: number;
    readonly c: number;
    readonly positive?: boolean;
    readonly negative?: boolean;
    readonly mixer?: number;
    readonly shape: number[];
    readonly noise: number[];
    readonly sample: number[];
  }[];
  readonly rescale: readonly {
    readonly share: number;
    readonly text: number[];
    readonly uncond: number[];
    readonly result: number[];
  }[];
  readonly interval: readonly { readonly from: number; readonly to: number; readonly guided: boolean[] }[];
}
const golden = JSON.parse(readFileSync(bundledPath("steering", "steering.json"), "utf8")) as Golden;

/** The network of scripts/golden/make-steering.py: a text is one number. */
function predict(modelInput: Tensor, texts: readonly number[]): Tensor {
  const [samples = 0, channels = 0, ...sides] = modelInput.shape;
  const count = modelInput.data.length / samples;
  const data = new Float32Array(2 * modelInput.data.length);
  texts.forEach((text, sample) => {
    for (let i = 0; i < count; i++) {
      const pattern = Math.fround(((i * 7) % 11) / 5 - 1);
      data[2 * sample * count + i] = 0.8 * modelInput.data[sample * count + i]! + text * pattern;
    }
  });
  return { data, shape: [samples, 2 * channels, ...sides] };
}

describe("the original's DDIM loop, thresholding of the call, and mixing of a positive prompt", () => {
  const { json, file } = goldenConfig("if-i/scheduler");
  const stored = parseSchedulerConfig(json, file);

  test.each(golden.original)("$respacing, guidance $guidance, p $p, c $c, mixer $mixer", async (run) => {
    const { className, overrides } = schedulerOptions("ddim", stored);
    const scheduler = createScheduler(stored, {
      className,
      overrides: { ...overrides, thresholding: true, dynamicThresholdingRatio: run.p, sampleMaxValue: run.c },
    });
    scheduler.setTimesteps({ timesteps: respacedTimesteps(run.respacing) });
    const texts = [run.negative ? 0.25 : 0, ...(run.positive ? [-0.5] : []), 1];
    const drawn = await denoise({
      scheduler,
      timesteps: scheduler.timesteps,
      sample: { data: Float32Array.from(run.noise), shape: run.shape },
      guidanceScale: run.guidance,
      ...(run.positive ? { positiveMixer: run.mixer ?? 0.25 } : {}),
      eta: 0,
      generator: createGenerator(0),
      predict: (modelInput) => Promise.resolve(predict(modelInput, texts)),
    });
    expect(drawn.shape).toEqual(run.shape);
    expect(maxDifference(drawn.data, Float32Array.from(run.sample))).toBeLessThan(1e-4);
  });
});

describe("guidance of a prediction", () => {
  const shape = [2, 3, 4, 4];
  /** (uncond, text), each of two images with a variance of 9 behind the prediction. */
  const doubled = ({ uncond, text }: { uncond: number[]; text: number[] }): Tensor => ({
    data: Float32Array.from(
      [uncond, text].flatMap((part) => [0, 48].flatMap((at) => [...part.slice(at, at + 48), ...Array(48).fill(9)])),
    ),
    shape: [4, 6, 4, 4],
  });
  const withoutVariance = ({ data }: Tensor): Float32Array =>
    Float32Array.from([...data.slice(0, 48), ...data.slice(96, 144)]);

  test.each(golden.rescale)("rescaled by $share, as diffusers' rescale_noise_cfg", (row) => {
    const guidance = { guidanceScale: 6, guidanceRescale: row.share };
    const guided = applyGuidance(doubled(row), guidance, 3, { step: 0, steps: 1 });
    expect(guided.shape).toEqual([2, 6, ...shape.slice(2)]);
    expect(maxDifference(withoutVariance(guided), Float32Array.from(row.result))).toBeLessThan(5e-6);
    expect(guided.data.slice(48, 96)).toEqual(new Float32Array(48).fill(9));
  });

  test.each(golden.interval)("guided from $from to $to of the steps, as diffusers' guider", ({ from, to, guided }) => {
    const [row] = golden.rescale;
    const textOnly = Float32Array.from(row!.text);
    const made = guided.map((_, step) => {
      const guidance = { guidanceScale: 6, guidanceInterval: [from, to] } as const;
      const prediction = applyGuidance(doubled(row!), guidance, 3, { step, steps: guided.length });
      return maxDifference(withoutVariance(prediction), textOnly) > 0;
    });
    expect(made).toEqual(guided);
  });
});
