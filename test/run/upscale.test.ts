/** upscale on the tiny checkpoints with the built program: diffusers' super-resolution pipelines on their own, tiles, resuming. */

import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { IfGenError } from "../../src/errors.ts";
import { parseParameters } from "../../src/image/parameters.ts";
import { parsePngText } from "../../src/image/png-text.ts";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import type { Request } from "../../src/plan/request.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { readSafetensorsHeader, readTensorAsFloat32, writeSafetensors } from "../../src/weights/safetensors.ts";
import { imageFile } from "../cli/command-line.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { goldenPath, storedVariant } from "../golden.ts";
import { smallModel } from "../small-model.ts";
import {
  type CallArguments,
  type ImageSource,
  type ReferenceCase,
  expectNear,
  loadImages,
  readCases,
  readResults,
  stageLimits,
} from "../pipelines/reference-case.ts";
import { draw, hashesOf, record } from "./draw-tiny.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

const tiny = {
  model: goldenPath("checkpoints"),
  variant: storedVariant,
  executionProvider: "cpu",
  safety: "off",
};

describe("diffusers' pipelines that enlarge, each on its own", () => {
  const names = [
    "sr_no_cfg", // a tensor, a size, no guidance
    "sr_pil_custom_noise", // a file, two images, timesteps
    "img2img_sr_strength_noise", // an original
    "inpaint_sr_noise", // and a mask
    "x4_pil_odd",
  ];
  const cases = readCases().filter(({ name }) => names.includes(name));
  test("they are stored", () => expect(cases.map(({ name }) => name).sort()).toEqual([...names].sort()));

  test.each(cases.map((stored) => [stored.name, stored] as const))("%s", async (_, stored) => {
    const folder = temporaryFolder();
    const request = await requestOf(stored, folder);
    await draw([request], { saveStages: folder });
    const expected = await (await readResults(stored.name))("images");
    if (!expected) throw new Error(`${stored.name} has no images`);
    const [stage = "stage-3"] = request.upscale?.stages ?? [];
    expectNear(await readTensor(folder, stage), expected, stageLimits(stored)[0]!, stage);
  });
});

async function requestOf({ case: stored }: ReferenceCase, folder: string): Promise<Request> {
  const { args, seed = 0, pipe } = stored;
  const stage = pipe === "StableDiffusionUpscalePipeline" ? 3 : 2;
  const { image, original_image: original, mask_image: mask } = args;
  const given = {
    ...tiny,
    seed,
    prompt: args.prompt,
    negativePrompt: args.negative_prompt,
    image: await fileOf(image as ImageSource, "image", folder),
    stages: [`stage-${stage}`],
    original: original && (await fileOf(original, "original", folder)),
    mask: mask && (await fileOf(mask, "mask", folder)),
    numImages: args.num_images_per_prompt,
    eta: args.eta,
    size: sizeOf(args, stage),
    [`stage${stage}Steps`]: args.num_inference_steps,
    [`stage${stage}Timesteps`]: args.timesteps,
    [`stage${stage}Guidance`]: args.guidance_scale,
    [`stage${stage}NoiseLevel`]: args.noise_level,
    strength: args.strength,
  };
  return requestFromOptions("upscale", given);
}

/** diffusers draws the UNet's own square where no size is asked for. */
function sizeOf(
  { original_image: original, width = 32, height = 32 }: CallArguments,
  stage: number,
): string | undefined {
  return stage === 2 && !original ? `${width}x${height}` : undefined;
}

async function fileOf(source: ImageSource, use: "image" | "original" | "mask", folder: string): Promise<string> {
  if ("$picture" in source) return imageFile(source, use, folder);
  return writeTensor(join(folder, `${use}.safetensors`), await loadImages(source, "low-resolution", 0, undefined));
}

async function writeTensor(path: string, { data, shape }: Tensor): Promise<string> {
  await writeSafetensors(path, new Map([["x", { dtype: "F32", shape, data: data as Float32Array<ArrayBuffer> }]]));
  return path;
}

async function readTensor(folder: string, name: string): Promise<Tensor> {
  const { path, tensors } = await readSafetensorsHeader(join(folder, `${name}.safetensors`));
  const entry = tensors.get(name)!;
  return { data: await readTensorAsFloat32(path, entry), shape: entry.shape };
}

describe("tiles", () => {
  /** 20 x 12 pixels through stage 2 and the upscaler, both in tiles. */
  const inTiles = async (folder: string, changes: object = {}): Promise<Request> => {
    const { data, shape } = createGenerator(2).randn([3, 12, 20]);
    const small = { data: data.map((value) => Math.max(-1, Math.min(1, value / 3))), shape };
    return requestFromOptions("upscale", {
      ...tiny,
      model: smallModel(),
      seed: 1,
      image: await writeTensor(join(folder, "small.safetensors"), small),
      stages: ["stage-3", "stage-2"],
      tile: 16,
      tileOverlap: 4,
      stage2Steps: 2,
      stage3Steps: 1,
      ...changes,
    });
  };

  test("the whole image is drawn, its tiles are counted, its file says how it was made", async () => {
    const folder = temporaryFolder();
    const { events, onEvent } = record();
    const [drawn] = await draw([await inTiles(folder)], { onEvent });
    expect(drawn?.images).toMatchObject([{ width: 320, height: 192 }]);
    const told = (stage: string, what: string): unknown =>
      events
        .flatMap((event) =>
          event.type === "step" && event.stage === stage && event.what.startsWith(what)
            ? [`${event.step}/${event.steps}`]
            : [],
        )
        .at(-1);
    expect(told("stage-2", "denoising in 2 tiles")).toBe("4/4");
    expect(told("stage-3", "denoising in 28 tiles")).toBe("28/28");
    expect(told("stage-3", "decoding")).toBe("28/28");
    const text = parsePngText(Buffer.from(drawn?.images[0]?.png ?? [])).get("parameters") ?? "";
    expect(Object.fromEntries(parseParameters(text).settings)).toMatchObject({
      "Upscaled by": "stage 2 and stage 3",
      "Tiles of stage 2": "64x48 overlap 16",
      Size: "320x192",
    });
  });

  test("a run that was ended within a stage goes on, with the same bytes", async () => {
    const folder = temporaryFolder();
    const request = await inTiles(folder, { stages: ["stage-3"], stage3Steps: 6 });
    const runDir = join(folder, "run");
    const controller = new AbortController();
    const reason = new IfGenError("INTERRUPTED", "enough");
    const onEvent = (event: { type: string; step?: number }): void => {
      if (event.type === "step" && event.step === 3) controller.abort(reason);
    };
    await expect(draw([request], { runDir, signal: controller.signal, onEvent })).rejects.toBe(reason);
    expect(hashesOf(await draw([request], { runDir, resume: true }))).toEqual(hashesOf(await draw([request])));
  });
});

test("a tensor of more images than are drawn, of bytes or of gray is refused before anything is drawn", async () => {
  const folder = temporaryFolder();
  const refused = async (shape: number[], scale = 1): Promise<unknown> => {
    const data = new Float32Array(shape.reduce((product, side) => product * side, 1)).fill(scale);
    const image = await writeTensor(join(folder, "x.safetensors"), { data, shape });
    return draw([requestFromOptions("upscale", { ...tiny, image })]).catch((error: unknown) => String(error));
  };
  expect(await refused([2, 3, 8, 8])).toMatch(/holds 2 images: give --num-images 2/);
  expect(await refused([3, 8, 8], 255)).toMatch(/numbers beyond -1 to 1/);
  expect(await refused([1, 8, 8])).toMatch(/a tensor \[1, 8, 8\]; an image is \[3, H, W\]/);
});
