import { describe, expect, test } from "vitest";
import { type Request, requestSchema, startKind } from "../../src/plan/request.ts";
import { jobOptionNames, requestFromOptions } from "../../src/run/job-options.ts";
import { plainRequest } from "../plan/plain-request.ts";

test("a prompt is enough; what is made is a request", () => {
  const request = requestFromOptions("txt2img", { prompt: "a cat", seed: 1 });
  expect(request).toEqual(plainRequest);
  expect(requestSchema.parse(request)).toEqual(request);
  expect(requestFromOptions("txt2img", { prompt: "a cat" }).seed).not.toBe(
    requestFromOptions("txt2img", { prompt: "a cat" }).seed,
  );
});

test("options of stages, named as on the command line", () => {
  const request = requestFromOptions("img2img", {
    prompt: "a cat",
    seed: 1,
    image: "car.png",
    strength: 0.5,
    stage1Steps: 9,
    stage2Timesteps: [900, 0],
    stage2NoiseLevel: 0,
    stage2Strength: 1,
    stage3Guidance: 2,
    stage3Model: "organisation/name@v1",
  });
  expect(request).toEqual({
    ...plainRequest,
    command: "img2img",
    start: { image: "car.png", pasteBack: false },
    stageModels: { "stage-3": "organisation/name@v1" },
    stages: {
      "stage-1": { strength: 0.5, steps: 9 },
      "stage-2": { strength: 1, timesteps: [900, 0], noiseLevel: 0 },
      "stage-3": { guidance: 2 },
    },
  });
});

test("inpaint: a file, rectangles and ellipses together", () => {
  const box = { x: -3, y: 1, width: 5, height: 6 };
  const given = { prompt: "a cat", image: "car.png" };
  expect(
    requestFromOptions("inpaint", {
      ...given,
      mask: "m.png",
      maskRect: [box, box],
      maskEllipse: [box],
      invertMask: true,
    }).start,
  ).toEqual({
    image: "car.png",
    mask: {
      file: "m.png",
      shapes: [
        { kind: "rectangle", ...box },
        { kind: "rectangle", ...box },
        { kind: "ellipse", ...box },
      ],
      invert: true,
    },
    pasteBack: true,
  });
  expect(requestFromOptions("inpaint", { ...given, mask: "m.png", pasteBack: false }).start).toEqual({
    image: "car.png",
    mask: { file: "m.png", shapes: [], invert: false },
    pasteBack: false,
  });
});

describe("upscale", () => {
  const image = "small.png";
  const made = (options: object): Request => requestFromOptions("upscale", { image, seed: 1, ...options });

  test("an image is enough: the last stage enlarges it, without words", () => {
    const request = made({});
    expect(request).toEqual({
      ...plainRequest,
      command: "upscale",
      prompt: "",
      lowResolution: image,
      upscale: { stages: ["stage-3"] },
    });
    expect(requestSchema.parse(request)).toEqual(request);
  });

  test("stages come in the order of the run; a noise level for all of them, and one's own before it", () => {
    const stages = ["stage-3", "stage-2"];
    expect(made({ stages, tile: 64, tileOverlap: 8, augLevel: 0.25, stage3NoiseLevel: 20 })).toMatchObject({
      until: 1024,
      upscale: { stages: ["stage-2", "stage-3"], tile: 64, tileOverlap: 8 },
      stages: { "stage-2": { noiseLevel: 250 }, "stage-3": { noiseLevel: 20 } },
    });
    expect(made({ stages: ["stage-2"], augLevel: 1 })).toMatchObject({
      until: 256,
      stages: { "stage-2": { noiseLevel: 999 } },
    });
  });

  test("stage 2 beside an original: as img2img's, with a mask as inpaint's", () => {
    const request = made({ original: "car.png", strength: 0.5, mask: "m.png" });
    expect(request).toMatchObject({
      lowResolution: image,
      upscale: { stages: ["stage-2"] },
      start: { image: "car.png", mask: { file: "m.png" }, pasteBack: false },
      stages: { "stage-2": { strength: 0.5 } },
    });
    expect(startKind(request)).toBe("inpaint");
    expect(startKind(made({ original: "car.png" }))).toBe("img2img");
    expect(startKind(made({}))).toBe("txt2img");
  });
});

describe("refusals say which option is wrong, and how", () => {
  const image = { prompt: "a cat", image: "car.png" };
  const box = { x: 0, y: 0, width: 1, height: 1 };
  test.each([
    ["txt2img", {}, /no prompt is given/],
    ["txt2img", { prompt: " " }, /prompt: it is empty/],
    ["txt2img", { prompt: "a", promt: "b" }, /no option promt; did you mean prompt\?/],
    ["txt2img", { prompt: "a", stage1NoiseLevel: 1 }, /no option stage1NoiseLevel/],
    ["txt2img", { prompt: "a", stage1Steps: 0 }, /^stage1Steps must be more than 0, and is 0\.$/],
    ["txt2img", { prompt: "a", numImages: 65 }, /^numImages must be at most 64, and is 65\.$/],
    ["txt2img", { prompt: "a", until: 128 }, /^until must be one of 64, 256, 1024, and is 128\.$/],
    ["txt2img", { prompt: 3 }, /^prompt must be text, and is 3\.$/],
    ["txt2img", { prompt: null }, /^prompt must be text, and is null\.$/],
    [
      "txt2img",
      { prompt: "a", numImages: "2" },
      /^numImages must be a whole number, and is "2"\.$|a number, and is "2"/,
    ],
    ["txt2img", { prompt: "a", numImages: 1.5 }, /^numImages must be a whole number, and is 1\.5\.$/],
    ["txt2img", { prompt: "a", eta: NaN }, /^eta must be a number, and is NaN\.$/],
    ["txt2img", { prompt: "a", watermark: "no" }, /^watermark must be true or false, and is "no"\.$/],
    ["txt2img", { prompt: "a", safety: "on" }, /^safety must be one of "black", "blur", "off", and is "on"\.$/],
    ["txt2img", { prompt: "a", unetBits: 4 }, /^unetBits must be 8, and is 4\.$/],
    ["txt2img", { prompt: "a", model: "" }, /^model must be text that is not empty, and is ""\.$/],
    ["txt2img", { prompt: "a", stage1Timesteps: 5 }, /^stage1Timesteps must be text or a list, and is 5\.$/],
    ["txt2img", { prompt: "a", stage1Timesteps: [9, -1] }, /^stage1Timesteps\[1\] must be at least 0, and is -1\.$/],
    ["txt2img", { prompt: "a", seed: "1" }, /^seed must be a (whole )?number or a bigint, and is "1"\.$/],
    ["txt2img", { prompt: "a", seed: 0.5 }, /^seed must be a whole number or a bigint, and is 0\.5\.$/],
    ["txt2img", "a cat", /^options are an object such as \{ prompt: "a red circle" \}, and not "a cat"\.$/],
    ["txt2img", undefined, /, and not nothing\.$/],
    ["txt2img", null, /, and not null\.$/],
    ["txt2img", image, /txt2img starts from no image: image/],
    ["txt2img", { prompt: "a", strength: 0.5 }, /txt2img starts from no image: strength/],
    ["txt2img", { prompt: "a", aspectRatio: "3x2" }, /^aspectRatio must be two whole numbers/],
    ["txt2img", { prompt: "a", size: "0x64" }, /^size must be pixels/],
    ["img2img", { prompt: "a" }, /no image is given/],
    ["img2img", { ...image, mask: "m.png" }, /img2img repaints the whole image: mask/],
    ["img2img", { ...image, strength: 0 }, /^strength must be more than 0, and is 0\.$/],
    ["inpaint", image, /nothing says what to repaint/],
    ["img2img", { ...image, tile: 64 }, /tile goes with upscale, not with img2img/],
    ["upscale", { prompt: "a" }, /no image is given/],
    ["upscale", { ...image, until: 256 }, /upscale has no until: --stages says what is drawn/],
    ["upscale", { ...image, stages: [] }, /^stages must be a list of 1 or more/],
    ["upscale", { ...image, stages: ["stage-1"] }, /^stages: each is one of stage-2, stage-3\.$/],
    ["upscale", { ...image, strength: 0.5 }, /--strength goes with --original/],
    ["upscale", { ...image, maskRect: [box] }, /--mask goes with --original/],
    ["upscale", { ...image, original: "b.png", stages: ["stage-3"] }, /stage 2 starts from: add stage-2 to --stages/],
    [
      "inpaint",
      { ...image, maskRect: [{ x: 0, y: 0, width: 0, height: 1 }] },
      /^maskRect\[0\]\.width must be more than 0, and is 0\.$/,
    ],
    ["inpaint", { ...image, maskRect: [{ x: 0, y: 0, width: 1 }] }, /^maskRect\[0\]\.height is missing; it must be a/],
    ["inpaint", { ...image, maskRect: [{ ...box, z: 1 }] }, /^maskRect\[0\] has no "z"\.$/],
    ["inpaint", { ...image, maskRect: box }, /^maskRect must be a list, and is an object\.$/],
  ] as const)("%s %j", (command, options, words) => {
    expect(() => requestFromOptions(command, options)).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringMatching(words) as string }),
    );
  });
});

test.each([
  [-1, 2 ** 32 - 1],
  [2 ** 32, 0],
  [2n ** 64n - 1n, 2 ** 32 - 1],
  [-(2n ** 63n) + 5n, 5],
  [Number.MAX_SAFE_INTEGER, 2 ** 32 - 1],
])("seed %s is taken as torch takes it: %i", (seed, low) => {
  expect(requestFromOptions("txt2img", { prompt: "a", seed }).seed).toBe(low);
});

test.each([2n ** 64n, -(2n ** 63n) - 1n, 2 ** 53])("seed %s is none: torch has 64 bits, a number 53", (seed) => {
  expect(() => requestFromOptions("txt2img", { prompt: "a", seed })).toThrow(/^seed must be /);
});

test("every option has a name, once", () => {
  expect(new Set(jobOptionNames).size).toBe(jobOptionNames.length);
  expect(jobOptionNames).toEqual(expect.arrayContaining(["prompt", "stage1Steps", "stage3NoiseLevel", "maskRect"]));
  expect(jobOptionNames).not.toContain("stage1NoiseLevel");
  expect(jobOptionNames).not.toContain("stage3Strength");
});
