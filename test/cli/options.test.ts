import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { type CommonOptions, addCommonOptions } from "../../src/cli/options.ts";
import { promptFrom, requestsFrom } from "../../src/cli/request.ts";
import { box, once, seed, seeds, timesteps } from "../../src/cli/values.ts";
import type { Request } from "../../src/plan/request.ts";
import { plainRequest } from "../plan/plain-request.ts";
import type { CommandName } from "../../src/plan/choices.ts";

const parse = (command: CommandName, ...argv: string[]): Request => parseAll(command, ...argv)[0]!;

function parseAll(command: CommandName, ...argv: string[]): Request[] {
  const parser = addCommonOptions(new Command().argument("[prompt]"), { startsFromImage: command !== "txt2img" });
  if (command !== "txt2img") parser.option("--image <file>", "", "car.png");
  parser.exitOverride().parse(argv, { from: "user" });
  const options = parser.opts<CommonOptions>();
  const prompt = promptFrom(parser.args[0], options.prompt);
  return requestsFrom(command, prompt === undefined ? options : { ...options, prompt });
}

test("nothing but a prompt", () => {
  const request = parse("txt2img", "a cat");
  expect(request.seed).toBeGreaterThanOrEqual(0);
  expect({ ...request, seed: 1 }).toEqual(plainRequest);
});

test("everything", () => {
  const request = parse(
    "txt2img",
    ..."-p cat -n dog -s 5 --num-images 3 -m folder --variant fp16 --until 256".split(" "),
    ..."--stage-1-timesteps smart50 --stage-1-guidance 1 --stage-2-steps 9 --stage-2-noise-level 0".split(" "),
    ..."--stage-3-timesteps 900,0 --no-clean-caption --no-watermark --safety off --eta 0.5 --threads 2".split(" "),
    ..."--scheduler unipc --stage-2-scheduler ddpm --stage-1-respacing ddim50".split(" "),
    ..."--long-prompt concat".split(" "),
    ..."--aspect-ratio 3:2 --size 384x256".split(" "),
    ..."--positive-prompt sharp --positive-mixer 0.5 --stage-1-positive-mixer 0.1 --thresholding-p 0.9".split(" "),
    ..."--stage-2-thresholding-c 2 --guidance-interval 0.2,0.8 --stage-2-negative-prompt blur".split(" "),
    ..."--stage-1-guidance-rescale 0.7 --execution-provider cuda --device-id 1 --stage-2-model a/b --unet-bits 8 --text-encoder-bits 4".split(
      " ",
    ),
  );
  expect(request).toEqual({
    command: "txt2img",
    prompt: "cat",
    negativePrompt: "dog",
    positivePrompt: "sharp",
    seed: 5,
    numImages: 3,
    model: "folder",
    variant: "fp16",
    until: 256,
    longPrompt: "concat",
    aspectRatio: { width: 3, height: 2 },
    size: { width: 384, height: 256 },
    stageModels: { "stage-2": "a/b" },
    stages: {
      "stage-1": {
        timesteps: "smart50",
        guidance: 1,
        scheduler: "unipc",
        respacing: "ddim50",
        positiveMixer: 0.1,
        thresholdingP: 0.9,
        guidanceInterval: [0.2, 0.8],
        guidanceRescale: 0.7,
      },
      "stage-2": {
        steps: 9,
        noiseLevel: 0,
        scheduler: "ddpm",
        positiveMixer: 0.5,
        thresholdingP: 0.9,
        thresholdingC: 2,
        guidanceInterval: [0.2, 0.8],
        negativePrompt: "blur",
      },
      "stage-3": { timesteps: [900, 0] },
    },
    cleanCaption: false,
    watermark: false,
    safety: "off",
    eta: 0.5,
    threads: 2,
    executionProvider: "cuda",
    deviceId: 1,
    unetBits: 8,
    textEncoderBits: 4,
  });
});

test("--strength is for stages 1 and 2, and a stage's own comes before it", () => {
  const request = parse("img2img", "cat", "--strength", "0.3", "--stage-2-strength", "0.9");
  expect(request.stages).toEqual({ "stage-1": { strength: 0.3 }, "stage-2": { strength: 0.9 } });
  expect(request.start).toEqual({ image: "car.png", pasteBack: false });
});

test("a seed is its low 32 bits, as torch takes it", () => {
  expect(parse("txt2img", "a cat", "--seed", "-1").seed).toBe(2 ** 32 - 1);
  expect(parse("txt2img", "a cat", "--seed", "4294967301").seed).toBe(5);
});

test("several seeds are as many requests, which differ in nothing else", () => {
  const requests = parseAll("txt2img", "a cat", "--seed", "1,5,10-12");
  expect(requests.map((request) => request.seed)).toEqual([1, 5, 10, 11, 12]);
  expect(requests.map((request) => ({ ...request, seed: 1 }))).toEqual(requests.map(() => plainRequest));
});

test("seeds that are not given differ", () => {
  expect(parse("txt2img", "a cat").seed).not.toBe(parse("txt2img", "a cat").seed);
});

describe("values", () => {
  test("timesteps: a preset in any case, or falling numbers", () => {
    expect(timesteps("Fast27")).toBe("fast27");
    expect(timesteps("999, 500,0")).toEqual([999, 500, 0]);
    for (const text of ["", "1000,0", "5,5", "5,-1", "5,4.5", "a,b"]) expect(() => timesteps(text)).toThrow(/preset/);
  });

  test("seeds are torch's: 64 bits, with or without a sign", () => {
    expect(["0", "-1", "18446744073709551615", "-9223372036854775808"].map(seed)).toEqual([
      0n,
      -1n,
      2n ** 64n - 1n,
      -(2n ** 63n),
    ]);
    for (const text of ["", "1.5", "x", "18446744073709551616", "-9223372036854775809", "1e3"]) {
      expect(() => seed(text)).toThrow(/whole number/);
    }
  });

  test("lists and ranges of seeds", () => {
    expect(seeds("-1, 3,7-9,20..21")).toEqual([-1n, 3n, 7n, 8n, 9n, 20n, 21n]);
    expect(seeds("1-1000")).toHaveLength(1000);
    expect(() => seeds("1,2,1-3")).toThrow(/names the seed 1 twice/);
    expect(() => seeds("9-7")).toThrow(/ends before it begins/);
    expect(() => seeds("0-18446744073709551615")).toThrow(/more than 1000 seeds/);
    for (const text of ["", "1,", "1-", "1-2-3", "-3--1"]) expect(() => seeds(text)).toThrow(/whole number/);
  });

  test("what makes no sense twice is refused", () => {
    expect(once("a", undefined)).toBe("a");
    expect(() => once("b", "a")).toThrow("It is given twice: a and b.");
  });

  test("boxes add up, may start outside, and have a size", () => {
    const first = box("-3,4,5,6", undefined);
    expect(box("1, 2, 3, 4", first)).toEqual([
      { x: -3, y: 4, width: 5, height: 6 },
      { x: 1, y: 2, width: 3, height: 4 },
    ]);
    for (const text of ["1,2,3", "1,2,3,4,5", "1,2,3,0", "1,2,-3,4", "1,2,3.5,4", "1,2,3,9999999", ",,,"]) {
      expect(() => box(text, undefined)).toThrow(/x,y,width,height/);
    }
  });
});
