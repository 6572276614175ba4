import { describe, expect, test } from "vitest";
import type { CommandName } from "../../src/plan/choices.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { optionsFromRequest, replaceOptions } from "../../src/run/options-from-request.ts";

const model = { upscalerModel: "up.safetensors" };

const drawn = (command: CommandName, options: object) => {
  const { until, upscale, upscalerModel } = requestFromOptions(command, { prompt: "a cat", seed: 1, ...options });
  return { until, stages: upscale?.stages, upscalerModel };
};

describe("what runs", () => {
  test.each([
    [{}, { until: 1024 }],
    [{ upscaler: "x4" }, { until: 1024 }],
    [
      { upscaler: "esrgan", ...model },
      { until: 256, ...model },
    ],
    [
      { upscaler: "esrgan", until: 1024, ...model },
      { until: 256, ...model },
    ],
    [
      { upscaler: "esrgan", until: 64, ...model },
      { until: 64, ...model },
    ],
    [
      { upscaler: "x4,esrgan", ...model },
      { until: 1024, ...model },
    ],
  ])("txt2img with %j", (options, expected) => {
    expect(drawn("txt2img", options)).toEqual({ stages: undefined, upscalerModel: undefined, ...expected });
  });

  test.each([
    [{}, ["stage-3"]],
    [{ upscaler: "esrgan", ...model }, []],
    [{ upscaler: "x4,esrgan", ...model }, ["stage-3"]],
    [{ upscaler: "esrgan", stages: ["stage-2"], ...model }, ["stage-2"]],
    [{ upscaler: "x4,esrgan", stages: ["stage-2"], ...model }, ["stage-2", "stage-3"]],
  ])("upscale with %j", (options, stages) => {
    expect(drawn("upscale", { image: "a.png", ...options }).stages).toEqual(stages);
  });
});

describe("refuses", () => {
  test.each<readonly [CommandName, object, string]>([
    ["txt2img", { upscaler: "esrgan" }, "--upscaler esrgan needs --upscaler-model"],
    ["txt2img", model, "--upscaler-model goes with --upscaler esrgan"],
    ["txt2img", { upscaler: "x4,esrgan", until: 256, ...model }, "--until 256 ends before the x4 upscaler"],
    ["txt2img", { upscaler: "esrgan", size: "512x256", ...model }, "--size does not go with ESRGAN"],
    ["upscale", { image: "a", upscaler: "esrgan", stages: ["stage-3"], ...model }, "stage-3 is the x4 upscaler"],
  ])("%s with %j", (command, options, message) => {
    expect(() => drawn(command, options)).toThrow(message);
  });
});

test("an image's ESRGAN can be left out again, and another upscaler put in its place", () => {
  const options = optionsFromRequest(
    requestFromOptions("txt2img", { prompt: "a cat", seed: 1, upscaler: "esrgan", ...model }),
  );
  expect(drawn("txt2img", replaceOptions(options, { upscaler: "x4" }))).toMatchObject({
    until: 1024,
    upscalerModel: undefined,
  });
  expect(drawn("txt2img", replaceOptions(options, { upscaler: "x4,esrgan" }))).toMatchObject({ until: 1024, ...model });
  expect(drawn("txt2img", replaceOptions(options, { until: 64 }))).toMatchObject({ until: 64, ...model });
});
