/** An ESRGAN ends a run, and enlarges an image on its own, with the built program on the tiny checkpoints. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { IfGenError } from "../../src/errors.ts";
import { parseParameters } from "../../src/image/parameters.ts";
import { encodePlainPng } from "../../src/image/plain-png.ts";
import { parsePngText } from "../../src/image/png-text.ts";
import { readImage } from "../../src/image/read-image.ts";
import { tensorFromPixels } from "../../src/image/preprocess.ts";
import { imagesFromUnit } from "../../src/image/to-bytes.ts";
import { withEsrgan } from "../../src/pipelines/esrgan.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { repeatImage } from "../../src/run/metadata/from-image.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { numbers, writeEsrgan } from "../models/tiny-esrgan.ts";
import { draw, hashesOf, record } from "./draw-tiny.ts";
import { tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

const tiny = { executionProvider: "cpu", threads: 1, seed: 1 };

async function makeFiles(): Promise<{ folder: string; upscalerModel: string; image: string }> {
  const folder = temporaryFolder();
  const upscalerModel = join(folder, "up.safetensors");
  await writeEsrgan(upscalerModel);
  const data = Uint8Array.from(numbers(9, 3 * 20 * 14), (x) => 127 + 100 * x);
  const image = join(folder, "small.png");
  await writeFile(image, encodePlainPng({ data, width: 20, height: 14 }));
  return { folder, upscalerModel, image };
}

test("upscale with an ESRGAN alone: the network's own numbers, in bytes; no model, no text", async () => {
  const { upscalerModel, image } = await makeFiles();
  const request = requestFromOptions("upscale", { ...tiny, image, upscaler: "esrgan", upscalerModel, model: "if-xl" });
  const { events, onEvent } = record();
  const [drawn] = await draw([request], { onEvent, pixels: true });
  expect(drawn?.plan.stages.map(({ name }) => name)).toEqual(["esrgan"]);
  expect(
    events.flatMap((event) => (event.type === "step" ? [`${event.step}/${event.steps} ${event.what}`] : [])),
  ).toEqual(["0/1 enlarging", "1/1 enlarging"]);
  const unit = tensorFromPixels(await readImage(image), (byte) => byte / 255);
  const settings = { executionProvider: "cpu", threads: 1 } as const;
  const options = { file: upscalerModel, width: 80, height: 56, settings };
  const enlarged = await withEsrgan(options, (run) => run(unit));
  expect(drawn?.images[0]).toMatchObject({ width: 80, height: 56 });
  expect(Buffer.compare(Buffer.from(drawn!.images[0]!.pixels!), Buffer.from(imagesFromUnit(enlarged)[0]!.data))).toBe(
    0,
  );
});

test("the image says which file it was, and is drawn again from it, if it is the same", async () => {
  const { folder, upscalerModel, image } = await makeFiles();
  const made = { ...tiny, image, upscaler: "esrgan", upscalerModel, tile: 12, tileOverlap: 4 };
  const [drawn] = await draw([requestFromOptions("upscale", made)]);
  const png = Buffer.from(drawn!.images[0]!.png!);
  const { settings } = parseParameters(parsePngText(png).get("parameters") ?? "");
  expect(Object.fromEntries(settings)).toMatchObject({
    "Upscaled by": "ESRGAN",
    "Tiles of ESRGAN": "48x48 overlap 16",
    Upscaler: "up.safetensors",
    "Upscaler hash": expect.stringMatching(/^[0-9a-f]{12}$/) as string,
  });
  const path = join(folder, "large.png");
  await writeFile(path, png);
  const { command, options } = await repeatImage(path);
  expect(hashesOf(await draw([requestFromOptions(command, options)]))).toEqual(hashesOf([drawn!]));
  await writeEsrgan(upscalerModel, { blocks: 1 });
  await expect(repeatImage(path)).rejects.toThrow("is another file than the upscalerModel");
});

test("txt2img ends with it, whichever stage it follows, and a run that was ended goes on", async () => {
  const { folder, upscalerModel } = await makeFiles();
  const request = { ...tinyUntil(256), upscalerModel, numImages: 2 };
  const runDir = join(folder, "run");
  const reason = new IfGenError("INTERRUPTED", "enough");
  const controller = new AbortController();
  const onEvent = (event: { type: string; stage?: string }): void => {
    if (event.type === "stage" && event.stage === "esrgan") controller.abort(reason);
  };
  await expect(draw([request], { runDir, signal: controller.signal, onEvent })).rejects.toBe(reason);
  const { events, onEvent: later } = record();
  const resumed = await draw([request], { runDir, resume: true, onEvent: later });
  expect(resumed[0]?.images).toMatchObject([
    { width: 128, height: 128 },
    { width: 128, height: 128 },
  ]);
  expect(new Set(events.flatMap((event) => (event.type === "step" ? [event.stage] : [])))).toEqual(new Set(["esrgan"]));
  expect(resumed[0]?.plan.stages.map(({ name }) => name)).toEqual(["text-encoding", "stage-1", "stage-2", "esrgan"]);
});
