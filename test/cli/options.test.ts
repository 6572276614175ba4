import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { type CommonOptions, addCommonOptions } from "../../src/cli/options.ts";
import { promptFrom, requestFrom } from "../../src/cli/request.ts";
import { box, seed, timesteps } from "../../src/cli/values.ts";
import type { CommandName } from "../../src/plan/choices.ts";
import type { Request } from "../../src/plan/request.ts";
import { plainRequest } from "../plan/plain-request.ts";

function parse(command: CommandName, argv: readonly string[], image?: string): Request {
  const parser = addCommonOptions(new Command().argument("[prompt]"), { startsFromImage: command !== "txt2img" });
  parser.exitOverride().parse(argv, { from: "user" });
  const options = parser.opts<CommonOptions>();
  const prompt = promptFrom(parser.args[0], options.prompt);
  return requestFrom(command, { ...options, ...(prompt === undefined ? {} : { prompt }), ...(image ? { image } : {}) });
}

test("nothing but a prompt", () => {
  const request = parse("txt2img", ["a cat"]);
  expect(request.seed).toBeGreaterThanOrEqual(0);
  expect({ ...request, seed: 1 }).toEqual(plainRequest);
});

test("everything", () => {
  const request = parse("txt2img", [
    ..."-p cat -n dog -s 5 --num-images 3 -m folder --variant fp16 --until 256".split(" "),
    ..."--stage-1-timesteps smart50 --stage-1-guidance 1 --stage-2-steps 9 --stage-2-noise-level 0".split(" "),
    ..."--stage-3-timesteps 900,0 --no-clean-caption --no-watermark --safety off --eta 0.5 --threads 2".split(" "),
    ..."--execution-provider cuda --device-id 1 --stage-2-model organisation/name".split(" "),
    ..."--text-encoder-bits 4 --unet-bits 8".split(" "),
  ]);
  expect(request).toEqual({
    command: "txt2img",
    prompt: "cat",
    negativePrompt: "dog",
    seed: 5,
    numImages: 3,
    model: "folder",
    stageModels: { "stage-2": "organisation/name" },
    variant: "fp16",
    until: 256,
    stages: {
      "stage-1": { timesteps: "smart50", guidance: 1 },
      "stage-2": { steps: 9, noiseLevel: 0 },
      "stage-3": { timesteps: [900, 0] },
    },
    cleanCaption: false,
    watermark: false,
    safety: "off",
    eta: 0.5,
    threads: 2,
    executionProvider: "cuda",
    deviceId: 1,
    textEncoderBits: 4,
    unetBits: 8,
  });
});

test("--strength is for stages 1 and 2, and a stage's own comes before it", () => {
  const request = parse("img2img", ["cat", "--strength", "0.3", "--stage-2-strength", "0.9"], "car.jpg");
  expect(request.stages).toEqual({ "stage-1": { strength: 0.3 }, "stage-2": { strength: 0.9 } });
  expect(request.start).toEqual({ image: "car.jpg", pasteBack: false });
});

test("seeds that are not given differ", () => {
  expect(parse("txt2img", ["a cat"]).seed).not.toBe(parse("txt2img", ["a cat"]).seed);
});

test("a run that is gone on with gives its seed where none is given", () => {
  const parser = addCommonOptions(new Command(), { startsFromImage: false }).exitOverride();
  const options = parser.parse(["-p", "a cat"], { from: "user" }).opts<CommonOptions>();
  const resumed = { ...plainRequest, seed: 77 };
  expect(requestFrom("txt2img", options, resumed).seed).toBe(77);
  expect(requestFrom("txt2img", { ...options, seed: 5n }, resumed).seed).toBe(5);
});

test.each([
  [[], /no prompt is given/],
  [[" "], /the prompt is empty/],
  [["a cat", "--prompt", "a dog"], /given twice/],
])("%j is refused", (argv, words) => {
  expect(() => parse("txt2img", argv)).toThrow(words);
});

describe("values", () => {
  test("timesteps: a preset in any case, or falling numbers", () => {
    expect(timesteps("Fast27")).toBe("fast27");
    expect(timesteps("999, 500,0")).toEqual([999, 500, 0]);
    for (const text of ["", "1000,0", "5,5", "5,-1", "5,4.5", "a,b"]) expect(() => timesteps(text)).toThrow(/preset/);
  });

  test("boxes add up, may start outside, and have a size", () => {
    const first = box("-3,4,5,6");
    expect(box("1, 2, 3, 4", first)).toEqual([
      { x: -3, y: 4, width: 5, height: 6 },
      { x: 1, y: 2, width: 3, height: 4 },
    ]);
    for (const text of ["1,2,3", "1,2,3,4,5", "1,2,3,0", "1,2,-3,4", "1,2,3.5,4", "1,2,3,9999999", ",,,"]) {
      expect(() => box(text)).toThrow(/x,y,width,height/);
    }
  });

  test("seeds are 64 bits, as torch takes them, with or without a sign", () => {
    expect([seed("0"), seed("-1"), seed(String(2n ** 64n - 1n))]).toEqual([0n, -1n, 2n ** 64n - 1n]);
    for (const text of ["", "1.5", "x", String(2n ** 64n), String(-(2n ** 63n) - 1n)]) {
      expect(() => seed(text)).toThrow(/whole number/);
    }
    expect(parse("txt2img", ["a cat", "--seed=-1"]).seed).toBe(2 ** 32 - 1);
  });
});
