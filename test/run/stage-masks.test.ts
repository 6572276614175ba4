/** Inpainting with a mask for each stage, drawn on the tiny checkpoints. */

import { join } from "node:path";
import sharp from "sharp";
import { expect, test, vi } from "vitest";
import type { Request, StartImage } from "../../src/plan/request.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { inputFiles } from "../../src/run/metadata/input-files.ts";
import { optionsFromRequest, replaceOptions } from "../../src/run/options-from-request.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { writeEsrgan } from "../models/tiny-esrgan.ts";
import { goldenPath } from "../golden.ts";
import { draw } from "./draw-tiny.ts";
import { importBuilt, tinySettings, tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

const built = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");

const image = goldenPath("image", "inputs", "square_64x64.png");
const left = { shapes: [{ kind: "rectangle" as const, x: 0, y: 0, width: 32, height: 64 }], invert: false };
const painted = (start: Partial<StartImage>): Request => ({
  ...tinyUntil(256),
  command: "inpaint",
  stages: { "stage-1": { steps: 2 }, "stage-2": { steps: 2, strength: 1 } },
  start: { image, mask: left, pasteBack: true, ...start },
});

/** @returns a mask of which the columns from one up to another are white. */
async function columns(from: number, to: number): Promise<string> {
  const data = Buffer.from(Array.from({ length: 64 * 64 }, (_, at) => (at % 64 >= from && at % 64 < to ? 255 : 0)));
  const path = join(temporaryFolder(), "mask.png");
  await sharp(data, { raw: { width: 64, height: 64, channels: 1 } })
    .png()
    .toFile(path);
  return path;
}

test("before an ESRGAN too: the mask of a stage that does not draw changes nothing", async () => {
  const upscalerModel = join(temporaryFolder(), "up.safetensors");
  await writeEsrgan(upscalerModel);
  const half = await columns(0, 32);
  const enlarged = (stageMasks: NonNullable<StartImage["stageMasks"]>): Request => {
    const { start, ...request } = painted({ stageMasks });
    return { ...request, until: 64, stages: { "stage-1": { steps: 2 } }, start: start!, upscalerModel };
  };
  const [one, both] = await draw(
    [enlarged({ "stage-1": half }), enlarged({ "stage-1": half, "stage-2": await columns(32, 64) })],
    { pixels: true },
  );
  expect(both!.images[0]!.pixels).toEqual(one!.images[0]!.pixels);
  expect(both!.notes).toContain("The mask of stage-2 has no effect: that stage does not draw.");
  expect(both!.notes.filter((note) => note.includes("The mask of"))).toHaveLength(1);
});

test("what is put back is what the last stage's own mask keeps", async () => {
  const [half, right] = [await columns(0, 32), await columns(32, 64)];
  const [plain, same, other] = await draw(
    [
      painted({}),
      painted({ stageMasks: { "stage-1": half, "stage-2": half } }),
      painted({ stageMasks: { "stage-2": right } }),
    ],
    { pixels: true },
  );
  const [ofPlain, ofSame, ofOther] = [plain, same, other].map((job) => job!.images[0]!);
  expect(ofSame!.pixels).toEqual(ofPlain!.pixels);
  const { width } = ofOther!;
  const original = await sharp(image).resize(width, width, { kernel: "cubic" }).removeAlpha().raw().toBuffer();
  const distance = ({ pixels }: { pixels?: Uint8Array }, from: number, to: number): number => {
    const columnOf = (at: number): number => Math.floor(at / 3) % width;
    const kept = [...pixels!].flatMap((value, at) =>
      columnOf(at) >= from && columnOf(at) < to ? [Math.abs(value - original[at]!)] : [],
    );
    return kept.reduce((sum, value) => sum + value, 0) / kept.length;
  };
  expect(distance(ofPlain!, width / 2 + 1, width)).toBeLessThan(3); // another resize than Pillow's
  expect(distance(ofPlain!, 0, width / 2 - 1)).toBeGreaterThan(10);
  expect(distance(ofOther!, 0, width / 2 - 1)).toBeLessThan(3);
  expect(distance(ofOther!, width / 2 + 1, width)).toBeGreaterThan(10);
});

test("a stage's mask is looked at beforehand, as the common one", async () => {
  const failure = (start: Partial<StartImage>): Promise<string> =>
    built.completePlans([painted(start)], tinySettings).then(() => "it succeeded", String);
  expect(await failure({ stageMasks: { "stage-2": "nope.png" } })).toContain("nope.png cannot be read");
  expect(await failure({ stageMasks: { "stage-1": image } })).toContain("is the image itself");
  const [only] = await built.completePlans([painted({ stageMasks: { "stage-1": await columns(0, 0) } })], tinySettings);
  expect(only?.plan.notes.join()).toContain("The mask marks less than a pixel of stage 1");
});

const options = {
  prompt: "a cat",
  seed: 1,
  image: "car.png",
  mask: "m.png",
  stage1Mask: "one.png",
  stage2Mask: "two.png",
};

test("options make a request, and a request its options and its files", () => {
  const request = requestFromOptions("inpaint", options);
  expect(request.start?.stageMasks).toEqual({ "stage-1": "one.png", "stage-2": "two.png" });
  expect(requestFromOptions("inpaint", optionsFromRequest(request))).toEqual(request);
  expect(inputFiles(request).map(({ option, path }) => [option, path])).toEqual([
    ["image", "car.png"],
    ["mask", "m.png"],
    ["stage1Mask", "one.png"],
    ["stage2Mask", "two.png"],
  ]);
  const replaced = (given: object) =>
    requestFromOptions("inpaint", replaceOptions(optionsFromRequest(request), given as Record<string, unknown>)).start;
  expect(replaced({ mask: "other.png" })?.stageMasks).toBeUndefined();
  expect(replaced({ stage1Mask: "other.png" })?.stageMasks).toEqual({ "stage-1": "other.png", "stage-2": "two.png" });
});

test("it goes with inpaint, and with a common mask", () => {
  const { mask: _, ...withoutMask } = options;
  expect(() => requestFromOptions("inpaint", withoutMask)).toThrow("nothing says what to repaint");
  const { stage2Mask, prompt } = options;
  expect(() => requestFromOptions("img2img", { prompt, image: "car.png", stage2Mask })).toThrow(
    "stage2Mask goes with inpaint, not with img2img",
  );
});
