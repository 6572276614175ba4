/** plan() of the library: what a job starts from tells which command it is. */

import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../cli/run-cli.ts";
import { smallModel } from "../small-model.ts";
import { importBuilt } from "./tiny-cascade.ts";

let library: typeof import("../../src/index.ts");
beforeAll(async () => {
  library = await importBuilt<typeof import("../../src/index.ts")>("index");
});

/** 64 x 64 pixels, its right half transparent. */
async function halfImage(): Promise<string> {
  const path = join(temporaryFolder(), "half.png");
  const pixels = Buffer.alloc(64 * 64 * 4, 255);
  for (let i = 0; i < 64 * 64; i++) if (i % 64 >= 32) pixels[4 * i + 3] = 0;
  await sharp(pixels, { raw: { width: 64, height: 64, channels: 4 } })
    .png()
    .toFile(path);
  return path;
}

const common = { prompt: "a cat", model: smallModel(), until: 64, executionProvider: "cpu" } as const;

test("text alone, an image, and each way to name a mask", async () => {
  const [image, mask] = [await halfImage(), await halfImage()];
  const rectangle = [{ x: 16, y: 16, width: 32, height: 32 }];
  const jobs = {
    txt2img: [common],
    img2img: [{ ...common, image }],
    inpaint: [
      { ...common, image, mask, maskFromAlpha: "auto" },
      { ...common, image, maskRect: rectangle },
      { ...common, image, maskEllipse: rectangle },
      { ...common, image, maskFromAlpha: "auto" },
    ],
  } as const;
  for (const [command, all] of Object.entries(jobs)) {
    for (const job of all) expect((await library.plan(job))[0]?.plan.command).toBe(command);
  }
});
