import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { convertPng } from "../../src/image/convert.ts";
import { InputImageError } from "../../src/errors.ts";
import { imageFormats } from "../../src/image/formats.ts";
import { readTexts } from "../../src/image/read-texts.ts";
import { encodePng } from "../../src/image/write-png.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

const texts = new Map([
  ["parameters", "a <red> cube & 猫\nNegative prompt: blurry\nSteps: 50, Seed: 1, Size: 1x1"],
  ["if-gen", '{"request":{"prompt":"猫 \\u001b[31m"}}'],
]);
const pixel = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } as const;

test.each(imageFormats.filter((format) => format !== "png"))("%s gives back what a PNG carried", async (format) => {
  const path = join(temporaryFolder(), "image");
  writeFileSync(path, await convertPng(await encodePng(pixel, texts), format));
  expect(await readTexts(path)).toEqual(texts);
});

test("what ComfyUI puts into the camera's tags", async () => {
  const path = join(temporaryFolder(), "image.webp");
  const exif = { IFD0: { Make: 'workflow:{"nodes":[]}', Model: 'prompt:{"1":{}}' } };
  await sharp(pixel.data, { raw: pixel }).webp().withExif(exif).toFile(path);
  expect(await readTexts(path)).toEqual(
    new Map([
      ["workflow", '{"nodes":[]}'],
      ["prompt", '{"1":{}}'],
    ]),
  );
});

test("what is no image", async () => {
  const path = join(temporaryFolder(), "image.jpg");
  writeFileSync(path, "no image");
  await expect(readTexts(path)).rejects.toThrow(InputImageError);
});
