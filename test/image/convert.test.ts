import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { convertPng, joinPngs } from "../../src/image/convert.ts";
import { extensionOf, formatOfName, imageFormats } from "../../src/image/formats.ts";
import { parsePngText } from "../../src/image/png-text.ts";
import { encodePng } from "../../src/image/write-png.ts";

const parameters = "a <red> cube & 猫\nNegative prompt: blurry\nSteps: 50, Seed: 1";

const plain = (colour: readonly [number, number, number], width = 24, height = 16): Promise<Buffer> =>
  encodePng(
    {
      data: Uint8Array.from({ length: 3 * width * height }, (_, at) => colour[at % 3] ?? 0),
      width,
      height,
      channels: 3,
    },
    new Map([["parameters", parameters]]),
  );

describe.each(imageFormats.filter((format) => format !== "png"))("%s", (format) => {
  test("holds the image and its settings", async () => {
    const file = await convertPng(await plain([200, 30, 60]), format);
    const { width, height, format: read, exif, xmp } = await sharp(file).metadata();
    expect([width, height]).toEqual([24, 16]);
    expect(read).toBe(format === "avif" ? "heif" : format);
    expect(xmp?.toString("utf8")).toContain("a &lt;red&gt; cube &amp; 猫\nNegative prompt: blurry\nSteps: 50, Seed: 1");
    if (format !== "tiff") expect(exif?.toString("latin1")).toContain("Negative prompt: blurry\nSteps: 50, Seed: 1");
    const [red = 0, green = 0, blue = 0] = await sharp(file).raw().toBuffer();
    expect(Math.max(Math.abs(red - 200), Math.abs(green - 30), Math.abs(blue - 60))).toBeLessThan(4); // lossy
  });
});

test("a PNG stays as it is", async () => {
  const png = await plain([1, 2, 3]);
  expect(await convertPng(png, "png")).toBe(png);
});

test("an image without settings has none", async () => {
  const png = await encodePng({ data: new Uint8Array(3), width: 1, height: 1, channels: 3 });
  expect((await sharp(await convertPng(png, "webp")).metadata()).xmp).toBeUndefined();
});

test("a sheet has its images in rows, with gaps, and the settings of the first", async () => {
  const colours = [
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
  ] as const;
  const sheet = await joinPngs(await Promise.all(colours.map((colour) => plain(colour))));
  expect(parsePngText(sheet).get("parameters")).toBe(parameters);
  const { data, info } = await sharp(sheet).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([2 * 24 + 3 * 8, 2 * 16 + 3 * 8]);
  const at = (x: number, y: number): number[] => [
    ...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3),
  ];
  expect([at(8, 8), at(40, 8), at(8, 32)]).toEqual(colours);
  expect([at(0, 0), at(33, 8), at(45, 40)]).toEqual([255, 255, 255].map(() => [255, 255, 255]));
});

test("formats by the ends of names", () => {
  expect(["a.png", "a.JPG", "a.jpeg", "a.webp", "a.avif", "a.tif", "a.gif", "png"].map(formatOfName)).toEqual([
    "png",
    "jpeg",
    "jpeg",
    "webp",
    "avif",
    "tiff",
    undefined,
    undefined,
  ]);
  for (const format of imageFormats) expect(formatOfName(`a${extensionOf(format)}`)).toBe(format);
});
