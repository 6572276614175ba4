import { describe, expect, test } from "vitest";
import type { Request } from "../../src/plan/request.ts";
import { groupBy, settingsKey } from "../../src/run/group-requests.ts";
import { plainRequest } from "../plan/plain-request.ts";

describe("requests that can share networks have the same key", () => {
  const key = settingsKey(plainRequest);
  const start = { image: "car.png", pasteBack: false };
  const mask = { shapes: [], file: "mask.png", invert: false };

  test.each<[string, Partial<Request>]>([
    ["prompt", { prompt: "a dog" }],
    ["negative prompt", { negativePrompt: "a dog" }],
    ["seed", { seed: 2 }],
  ])("another %s", (_, changes) => {
    expect(settingsKey({ ...plainRequest, ...changes })).toBe(key);
  });

  test("another positive prompt, but not none: it is a third text of the networks' batches", () => {
    const first = settingsKey({ ...plainRequest, positivePrompt: "sharp" });
    expect(settingsKey({ ...plainRequest, positivePrompt: "bright" })).toBe(first);
    expect(first).not.toBe(key);
  });

  test.each<[string, Partial<Request>]>([["prompt and seed", { prompt: "a dog", seed: 2 }]])(
    "another %s",
    (_, changes) => {
      expect(settingsKey({ ...plainRequest, ...changes })).toBe(key);
    },
  );

  test("another start image, mask or way of pasting back, but not none", () => {
    const first = settingsKey({ ...plainRequest, start });
    expect(settingsKey({ ...plainRequest, start: { ...start, image: "dog.png" } })).toBe(first);
    expect(settingsKey({ ...plainRequest, start: { ...start, mask, pasteBack: true } })).toBe(first);
    expect(first).not.toBe(key);
  });

  test("the order in which fields were written does not matter, that of timesteps does", () => {
    const reversed = Object.fromEntries(Object.entries(plainRequest).toReversed()) as Request;
    expect(settingsKey(reversed)).toBe(key);
    const stages = (stage: NonNullable<Request["stages"]["stage-1"]>): string =>
      settingsKey({ ...plainRequest, stages: { "stage-1": stage } });
    expect(stages({ steps: 2, guidance: 1 })).toBe(stages({ guidance: 1, steps: 2 }));
    expect(stages({ timesteps: [900, 100] })).not.toBe(stages({ timesteps: [100, 900] }));
  });

  test.each<[string, Partial<Request>]>([
    ["command", { command: "img2img" }],
    ["number of images", { numImages: 2 }],
    ["model", { model: "if-m" }],
    ["model of a stage", { stageModels: { "stage-1": "organisation/name" } }],
    ["variant", { variant: "fp16" }],
    ["last side", { until: 64 }],
    ["shape", { aspectRatio: { width: 3, height: 2 } }],
    ["way with long prompts", { longPrompt: "concat" }],
    ["scheduler", { stages: { "stage-2": { scheduler: "unipc" } } }],
    ["setting of a stage", { stages: { "stage-2": { noiseLevel: 0 } } }],
    ["way of cleaning prompts", { cleanCaption: false }],
    ["watermark", { watermark: false }],
    ["safety", { safety: "off" }],
    ["eta", { eta: 0.5 }],
    ["number of threads", { threads: 1 }],
    ["execution provider", { executionProvider: "cpu" }],
    ["GPU", { deviceId: 1 }],
    ["size of T5's weights", { textEncoderBits: 8 }],
    ["type of T5's activations", { textEncoderActivations: "int8" }],
    ["place of T5", { textEncoderDevice: "gpu" }],
    ["size of the UNets' weights", { unetBits: 8 }],
  ])("another %s is another key", (_, changes) => {
    expect(settingsKey({ ...plainRequest, ...changes })).not.toBe(key);
  });
});

test("groups come in the order of their first items, items in their own", () => {
  const words = ["bear", "ant", "bee", "cat", "ape", "asp"];
  expect(groupBy(words, (word) => word[0])).toEqual([["bear", "bee"], ["ant", "ape", "asp"], ["cat"]]);
  expect(groupBy([3, 1], () => undefined)).toEqual([[3, 1]]);
  expect(groupBy([], () => "")).toEqual([]);
});
