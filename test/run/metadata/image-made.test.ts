/** What other programs leave in their images, as far as it says what people ask for; and what is made to do harm. */

import { describe, expect, test } from "vitest";
import { InputImageError } from "../../../src/errors.ts";
import { describeTexts } from "../../../src/run/metadata/image-made.ts";

const describeOf = (texts: Readonly<Record<string, string>>) => describeTexts(new Map(Object.entries(texts)), "a.png");

test("AUTOMATIC1111's web UI", () => {
  const parameters =
    "a cat, masterpiece\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 18446744073709551615, " +
    'Size: 512x768, Model hash: abc, Model: v1-5, Lora hashes: "a: b, c: d", Version: v1.9.4';
  expect(describeOf({ parameters })).toEqual({
    program: "AUTOMATIC1111's web UI",
    version: "v1.9.4",
    prompt: "a cat, masterpiece",
    negativePrompt: "blurry",
    seed: "18446744073709551615",
    steps: 20,
    guidanceScale: 7.5,
    width: 512,
    height: 768,
    sampler: "Euler a",
    model: "v1-5",
    more: { "Model hash": "abc", "Lora hashes": "a: b, c: d" },
  });
  const ofCpp = "a cat\nSteps: 20, CFG scale: 7, Seed: 42, Size: 512x512, Version: stable-diffusion.cpp";
  expect(describeOf({ parameters: ofCpp })).toMatchObject({ program: "stable-diffusion.cpp", seed: 42 });
});

describe("ComfyUI", () => {
  const graph = {
    "3": {
      class_type: "KSampler",
      inputs: {
        seed: 156680208700286,
        steps: 20,
        cfg: 8,
        sampler_name: "euler",
        scheduler: "normal",
        denoise: 1,
        model: ["10", 0],
        positive: ["11", 0],
        negative: ["7", 0],
        latent_image: ["5", 0],
      },
    },
    "4": { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "v1-5.safetensors" } },
    "5": { class_type: "EmptyLatentImage", inputs: { width: 512, height: 768, batch_size: 1 } },
    "6": { class_type: "CLIPTextEncode", inputs: { text: ["12", 0], clip: ["4", 1] } },
    "7": { class_type: "CLIPTextEncode", inputs: { text: "text, watermark", clip: ["4", 1] } },
    "10": { class_type: "LoraLoader", inputs: { lora_name: "x", model: ["4", 0], clip: ["4", 1] } },
    "11": { class_type: "ConditioningCombine", inputs: { conditioning_1: ["6", 0] } },
    "12": { class_type: "PrimitiveString", inputs: { value: "a glass bottle" } },
  };

  test("the sampler's inputs, over the nodes on the way", () => {
    expect(describeOf({ prompt: JSON.stringify(graph), workflow: "{}" })).toEqual({
      program: "ComfyUI",
      prompt: "a glass bottle",
      negativePrompt: "text, watermark",
      seed: 156680208700286,
      steps: 20,
      guidanceScale: 8,
      width: 512,
      height: 768,
      sampler: "euler",
      model: "v1-5.safetensors",
      more: { scheduler: "normal", denoise: "1" },
    });
  });

  test("a seed of 64 bits keeps its digits; a prompt that looks like one stays", () => {
    const text = '"seed": 12345678901234567890,';
    const json = JSON.stringify({ ...graph, "7": { class_type: "CLIPTextEncode", inputs: { text } } });
    const made = describeOf({ prompt: json.replace("156680208700286", "18446744073709551557") });
    expect(made).toMatchObject({ seed: "18446744073709551557", negativePrompt: text });
  });

  test("a graph that turns in circles, or has no sampler", () => {
    const circle = { ...graph, "11": { class_type: "A", inputs: { a: ["11", 0], b: ["3", 0] } } };
    expect(describeOf({ prompt: JSON.stringify(circle) })).toMatchObject({ program: "ComfyUI", steps: 20 });
    expect(describeOf({ workflow: '{"nodes": []}' })?.more).toHaveProperty("note");
    expect(describeOf({ prompt: "a cat" })).toBeUndefined();
  });
});

test("InvokeAI, now and before", () => {
  const now = {
    app_version: "4.2.1",
    generation_mode: "sdxl_txt2img",
    positive_prompt: "a cat",
    negative_prompt: "blurry",
    seed: 7,
    steps: 30,
    cfg_scale: 7.5,
    scheduler: "euler",
    width: 1024,
    height: 768,
    model: { name: "SDXL", base: "sdxl" },
    loras: [],
  };
  expect(describeOf({ invokeai_metadata: JSON.stringify(now) })).toEqual({
    program: "InvokeAI",
    version: "4.2.1",
    prompt: "a cat",
    negativePrompt: "blurry",
    seed: 7,
    steps: 30,
    guidanceScale: 7.5,
    sampler: "euler",
    width: 1024,
    height: 768,
    model: "SDXL",
    more: { mode: "sdxl_txt2img" },
  });
  const image = { prompt: [{ prompt: "a dog", weight: 1 }], seed: 8, steps: 50, cfg_scale: 7, sampler: "k_lms" };
  expect(describeOf({ "sd-metadata": JSON.stringify({ model_weights: "sd-1.5", image }) })).toMatchObject({
    program: "InvokeAI",
    prompt: "a dog",
    seed: 8,
    sampler: "k_lms",
    model: "sd-1.5",
  });
});

describe("what is made to do harm", () => {
  test("JSON that is deep, endless or of the wrong types says nothing", () => {
    expect(describeOf({ prompt: "[".repeat(1_000_000) })).toBeUndefined();
    expect(describeOf({ prompt: `{"1":${'{"a":'.repeat(200)}1${"}".repeat(200)}}` })).toBeUndefined();
    expect(describeOf({ invokeai_metadata: '{"seed": {"__proto__": 1}, "steps": "x"}' })).toEqual({
      program: "InvokeAI",
      more: {},
    });
  });

  test("our own text in another form is refused with a sentence", () => {
    for (const text of ["no JSON", "{}", '{"version":"9","request":{"command":"rm"},"lowMemory":{},"inputs":{}}'])
      expect(() => describeOf({ "if-gen": text })).toThrow(InputImageError);
  });
});
