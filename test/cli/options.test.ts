import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { type CommonOptions, addCommonOptions, requestFrom } from "../../src/cli/options.ts";
import { shape, timesteps } from "../../src/cli/values.ts";
import type { Request } from "../../src/plan/request.ts";
import { plainRequest } from "../plan/plain-request.ts";
import type { CommandName } from "../../src/plan/choices.ts";

function parse(command: CommandName, ...argv: string[]): Request {
  const parser = addCommonOptions(new Command().argument("[prompt]"), { startsFromPicture: command !== "txt2img" });
  parser.exitOverride().parse(argv, { from: "user" });
  return requestFrom(command, parser.args[0], parser.opts<CommonOptions>());
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
    ..."--execution-provider cuda --device-id 1".split(" "),
  );
  expect(request).toEqual({
    command: "txt2img",
    prompt: "cat",
    negativePrompt: "dog",
    seed: 5,
    numImages: 3,
    model: "folder",
    variant: "fp16",
    until: 256,
    stage1: { timesteps: "smart50", guidance: 1 },
    stage2: { steps: 9, noiseLevel: 0 },
    stage3: { timesteps: [900, 0] },
    cleanCaption: false,
    watermark: false,
    safety: "off",
    eta: 0.5,
    threads: 2,
    executionProvider: "cuda",
    deviceId: 1,
  });
});

test("--strength is for stages 1 and 2, and a stage's own comes before it", () => {
  const request = parse("img2img", "cat", "--strength", "0.3", "--stage-2-strength", "0.9");
  expect(request).toMatchObject({ stage1: { strength: 0.3 }, stage2: { strength: 0.9 } });
  expect(request.stage3).toEqual({});
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

  test("shapes add up, may start outside, and have a size", () => {
    const first = shape("rectangle")("-3,4,5,6", undefined);
    expect(shape("ellipse")("1, 2, 3, 4", first)).toEqual([
      { kind: "rectangle", x: -3, y: 4, width: 5, height: 6 },
      { kind: "ellipse", x: 1, y: 2, width: 3, height: 4 },
    ]);
    for (const text of ["1,2,3", "1,2,3,4,5", "1,2,3,0", "1,2,-3,4", "1,2,3.5,4", "1,2,3,9999999", ",,,"]) {
      expect(() => shape("ellipse")(text, undefined)).toThrow(/x,y,width,height/);
    }
  });
});
