import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import { readImage, readMask } from "../../src/image/read-image.ts";
import { cases, golden, hasStored, largestDifference, imageOf, imagePath } from "./golden-image.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-read-"));
afterAll(() => rmSync(folder, { recursive: true }));

function save(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("images that are read at the same time do not hinder each other", async () => {
  const path = save(
    "wide.png",
    await sharp({ create: { width: 300, height: 200, channels: 3, background: "#204060" } })
      .png()
      .toBuffer(),
  );
  const rounds = Array.from({ length: 64 }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i % 16)); // some begin while others are under way
    return readImage(path);
  });
  for (const { width } of await Promise.all(rounds)) expect(width).toBe(300);
});

describe("reads what Pillow reads", () => {
  const names = cases(Object.keys(golden.decoded).filter((name) => hasStored(`pixels.${name}.rgb`)));
  /** JPEG decoders may round differently, by 1 or 2 levels. */
  const tolerance = (name: string) => (name.endsWith(".jpg") ? 2 : 0);

  test.each(names)("%s, pixels as stored", async (name) => {
    const expected = await imageOf(name);
    const read = await readImage(imagePath(name), { orient: false });
    expect([read.width, read.height, read.channels]).toEqual([expected.width, expected.height, 3]);
    expect(largestDifference(read.data, expected.data)).toBeLessThanOrEqual(tolerance(name));
  });

  test.each(names)("%s, turned as EXIF says", async (name) => {
    const expected = await imageOf(name, hasStored(`pixels.${name}.load_image`) ? "load_image" : "rgb");
    const read = await readImage(imagePath(name));
    expect([read.width, read.height]).toEqual([expected.width, expected.height]);
    expect(largestDifference(read.data, expected.data)).toBeLessThanOrEqual(tolerance(name));
  });

  test("an EXIF orientation is in the set", async () => {
    const turned = names.filter((name) => hasStored(`pixels.${name}.load_image`) && name.includes("exif"));
    expect(turned.length).toBeGreaterThanOrEqual(2);
  });
});

describe("other formats", () => {
  const [width, height] = [19, 13];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 7 + i * 13) % 256);
  const image = () => sharp(data, { raw: { width, height, channels: 3 } });

  test.each([
    ["webp", () => image().webp({ lossless: true })],
    ["avif", () => image().avif({ lossless: true, chromaSubsampling: "4:4:4" })],
    ["tif", () => image().tiff({ compression: "lzw" })],
    ["16-bit.png", () => image().toColourspace("rgb16").png()],
    ["profile.png", () => image().png().withIccProfile("p3", { attach: true })],
  ] as const)("%s", async (name, encode) => {
    const path = save(name, await encode().toBuffer());
    const expected = name === "profile.png" ? await sharp(path, { ignoreIcc: true }).raw().toBuffer() : data;
    const read = await readImage(path);
    expect([read.width, read.height]).toEqual([width, height]);
    expect(largestDifference(read.data, expected)).toBeLessThanOrEqual(name === "avif" ? 3 : 0);
  });

  test("the first frame of an animated GIF", async () => {
    const red = { create: { width: 4, height: 4, channels: 3, background: "#f00" } } as const;
    const blue = { create: { width: 4, height: 4, channels: 3, background: "#00f" } } as const;
    const frames = await Promise.all([red, blue].map((frame) => sharp(frame).png().toBuffer()));
    const path = save(
      "animated.gif",
      await sharp(frames, { join: { animated: true } })
        .gif()
        .toBuffer(),
    );
    const read = await readImage(path);
    expect([read.width, read.height]).toEqual([4, 4]);
    expect([...read.data.subarray(0, 3)]).toEqual([255, 0, 0]);
  });
});

test("a mask is the image's brightness", async () => {
  const mask = await readMask(imagePath("mask_rgb_75x50.png"));
  const rgb = await readImage(imagePath("mask_rgb_75x50.png"));
  expect([mask.width, mask.height, mask.channels, mask.data.length]).toEqual([75, 50, 1, 75 * 50]);
  const brightness = (i: number) =>
    0.299 * rgb.data[i * 3]! + 0.587 * rgb.data[i * 3 + 1]! + 0.114 * rgb.data[i * 3 + 2]!;
  mask.data.forEach((value, i) => expect(Math.abs(value - brightness(i))).toBeLessThan(0.51));
});

describe("refuses, in one sentence that names the file", () => {
  /** A PNG header that promises more pixels than anyone should decode. */
  function bomb(side: number): Uint8Array {
    const chunk = (type: string, body: Buffer) => {
      const out = Buffer.concat([Buffer.alloc(4), Buffer.from(type), body, Buffer.alloc(4)]);
      out.writeUInt32BE(body.length);
      out.writeUInt32BE(crc32(out.subarray(4, -4)), out.length - 4);
      return out;
    };
    const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
    header.writeUInt32BE(side, 0);
    header.writeUInt32BE(side, 4);
    const signature = Buffer.from("89504e470d0a1a0a", "hex");
    return Buffer.concat([
      signature,
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(Buffer.alloc(1000))),
      chunk("IEND", Buffer.alloc(0)),
    ]);
  }
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';

  test.each([
    ["missing", () => join(folder, "nowhere.png"), "there is no such file"],
    ["a folder", () => folder, "is a folder"],
    ["a device", () => "/dev/null", "is a device or a pipe"],
    ["empty", () => save("empty.png", Buffer.alloc(0)), "is not an image"],
    ["text", () => save("text.jpg", Buffer.from("no image at all")), "is not an image"],
    ["SVG, whose parser is not let in", () => save("drawing.svg", Buffer.from(svg)), "is an SVG drawing"],
    ["too many pixels", () => save("bomb.png", bomb(60_000)), "has more than 268402689 pixels"],
    ["cut short behind the header", () => save("short.png", bomb(2000)), "is damaged or cut short"],
  ])("%s", async (_, path, part) => {
    const start = performance.now();
    const error = await readImage(path()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputImageError);
    expect((error as Error).message).toContain(path());
    expect((error as Error).message).toContain(part);
    expect((error as Error).message).not.toContain("\n");
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test.each([0.5, 0.9])("a JPEG of which %f is left", async (share) => {
    const whole = await sharp(imagePath("photo_101x67.png")).jpeg().toBuffer();
    const path = save(`cut-${share}.jpg`, whole.subarray(0, Math.floor(whole.length * share)));
    await expect(readImage(path)).rejects.toThrow(/is damaged or cut short/u);
    await expect(readMask(path)).rejects.toBeInstanceOf(InputImageError);
  });
});
