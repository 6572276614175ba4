import { describe, expect, test } from "vitest";
import type { CommandName } from "../../src/plan/choices.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { inputFiles } from "../../src/run/metadata/input-files.ts";
import { optionsFromRequest, replaceOptions } from "../../src/run/options-from-request.ts";

const box = { x: -3, y: 1, width: 5, height: 6 };
const cases: readonly (readonly [CommandName, object])[] = [
  ["txt2img", { prompt: "a cat", seed: 1 }],
  [
    "txt2img",
    {
      prompt: "a {cat|dog}",
      negativePrompt: "b",
      positivePrompt: "c",
      seed: 2 ** 32 - 1,
      numImages: 3,
      model: "if-xl",
      textEncoderModel: "a/b@c",
      variant: "fp16",
      until: 256,
      aspectRatio: "3:2",
      cleanCaption: false,
      longPrompt: "concat",
      watermark: false,
      safety: "blur",
      eta: 0.5,
      threads: 3,
      executionProvider: "cpu",
      deviceId: 1,
      textEncoderBits: 8,
      textEncoderActivations: "int8",
      textEncoderDevice: "cpu",
      unetBits: 8,
      stage1Timesteps: [9, 0],
      stage2Respacing: "ddim50",
      stage1Model: "d",
      stage2NoiseLevel: 0,
      scheduler: "ddim",
      guidanceInterval: [0.2, 0.8],
    },
  ],
  ["txt2img", { prompt: "a cat", seed: 1, lora: ["a.safetensors", "b:c:-0.5"], stage2Lora: "d:0.0000001" }],
  ["txt2img", { prompt: "a cat", seed: 1, size: "1536x1024", thresholdingP: 0.9 }],
  ["img2img", { prompt: "a cat", seed: 1, image: "car.png", strength: 0.5, stage2Strength: 1 }],
  [
    "inpaint",
    {
      prompt: "a cat",
      seed: 1,
      image: "car.png",
      mask: "m.png",
      maskRect: [box, box],
      maskEllipse: [box],
      invertMask: true,
    },
  ],
  ["inpaint", { prompt: "a cat", seed: 1, image: "car.png", maskFromAlpha: "auto", pasteBack: false }],
  ["inpaint", { prompt: "a cat", seed: 1, image: "car.png", mask: "m.png", maskFromAlpha: "opaque" }],
  ["txt2img", { prompt: "a cat", seed: 1, lora: ["a.safetensors", "b:0.5:-0.25"], stage2Lora: "c" }],
  ["img2img", { prompt: "a cat", seed: 1, image: "car.png", variationSeed: 5, variationStrength: 0.25 }],
  ["style", { seed: 1, image: "car.png", style: "neon", supportNoiseLessQsampleSteps: 5, strength: 0.9 }],
  ["style", { prompt: "a", positivePrompt: "b", seed: 1, image: "car.png", style: "neon", stage1Steps: 9 }],
  ["txt2img", { prompt: "a", seed: 1, stage1Width: 96, stage2Height: 256 }],
  ["txt2img", { seed: 1, promptEmbeds: "e.safetensors" }],
  ["txt2img", { prompt: "a cat", seed: 1, upscaler: "esrgan", upscalerModel: "up.safetensors" }],
  [
    "img2img",
    { prompt: "a cat", seed: 1, image: "a.png", until: 64, upscaler: "esrgan", upscalerModel: "up.safetensors" },
  ],
  ["txt2img", { prompt: "a cat", seed: 1, upscaler: "x4,esrgan", upscalerModel: "up.safetensors" }],
  ["upscale", { seed: 1, image: "small.png", upscaler: "esrgan", upscalerModel: "up.safetensors", tile: 0 }],
  ["upscale", { seed: 1, image: "s.png", stages: ["stage-2"], upscaler: "esrgan", upscalerModel: "up.safetensors" }],
  [
    "upscale",
    { prompt: "a cat", seed: 1, image: "small.png", stages: ["stage-2", "stage-3"], tile: 64, tileOverlap: 8 },
  ],
  ["upscale", { seed: 1, image: "small.png", augLevel: 0.25 }],
  ["upscale", { prompt: "a cat", seed: 1, image: "s.png", original: "car.png", strength: 0.5, mask: "m.png" }],
];

test("the files that a request is drawn from, by the options that name them", () => {
  const filesOf = (command: CommandName, options: object): unknown =>
    inputFiles(requestFromOptions(command, { prompt: "a cat", seed: 1, ...options })).map(({ option, path }) => [
      option,
      path,
    ]);
  expect(filesOf("txt2img", {})).toEqual([]);
  expect(filesOf("txt2img", { promptEmbeds: "e.safetensors" })).toEqual([["promptEmbeds", "e.safetensors"]]);
  const ofInpaint = { image: "a.png", mask: "m.png" };
  expect(filesOf("inpaint", ofInpaint)).toEqual([
    ["image", "a.png"],
    ["mask", "m.png"],
  ]);
  expect(filesOf("upscale", { ...ofInpaint, original: "o.png", strength: 1 })).toEqual([
    ["image", "a.png"],
    ["original", "o.png"],
    ["mask", "m.png"],
  ]);
});

test.each(cases)("%s: the options of a request make the same request, %#", (command, given) => {
  const request = requestFromOptions(command, given);
  expect(requestFromOptions(command, optionsFromRequest(request))).toEqual(request);
});

describe("options that take the place of others", () => {
  const repeated = (command: CommandName, given: object, replaced: Readonly<Record<string, unknown>>) =>
    requestFromOptions(command, replaceOptions(optionsFromRequest(requestFromOptions(command, given)), replaced));
  const plain = { prompt: "a cat", seed: 1 };

  test("a setting of all stages that of each one; another way of saying the same", () => {
    const given = { ...plain, image: "a", strength: 0.5, stage1Timesteps: "smart50" };
    const { stages } = repeated("img2img", given, { strength: 0.7, stage1Steps: 5 });
    expect(stages).toEqual({ "stage-1": { strength: 0.7, steps: 5 }, "stage-2": { strength: 0.7 } });
    const { size, aspectRatio } = repeated("txt2img", { ...plain, size: "1536x1024" }, { aspectRatio: "3:2" });
    expect([size, aspectRatio]).toEqual([undefined, { width: 3, height: 2 }]);
    const sized = { ...plain, stage1Width: 96, stage1Height: 64 };
    expect(repeated("txt2img", sized, { stage1Height: 48 }).stages).toEqual({ "stage-1": { width: 96, height: 48 } });
    expect(repeated("txt2img", sized, { aspectRatio: "3:2" }).stages).toEqual({});
  });

  test("stages that are not drawn any more say nothing", () => {
    const given = { ...plain, stage1Steps: 3, stage3Steps: 4, stage3Model: "m" };
    expect(repeated("txt2img", given, { until: 256 })).toMatchObject({
      stages: { "stage-1": { steps: 3 } },
      stageModels: {},
    });
  });

  test("another image takes its own hole along, another mask all that was masked", () => {
    const given = { ...plain, image: "a.png", maskFromAlpha: "auto", maskRect: [box] };
    expect(repeated("inpaint", given, { image: "b.png" }).start?.mask?.file).toBe("b.png");
    const start = { image: "a.png", mask: "m.png", maskRect: [box] };
    expect(repeated("inpaint", { ...plain, ...start }, { mask: "n.png" }).start?.mask).toEqual({
      file: "n.png",
      shapes: [],
      invert: false,
    });
  });
});
