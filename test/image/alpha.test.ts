import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import { readImage, readMask } from "../../src/image/read-image.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-alpha-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Rgba = readonly [number, number, number, number];

/** @returns the path of a PNG of 4x2 pixels: two columns of one colour, two of another. */
async function writeImage(name: string, left: Rgba, right: Rgba): Promise<string> {
  const path = join(folder, name);
  const data = Uint8Array.from([left, left, right, right, left, left, right, right].flat());
  await sharp(data, { raw: { width: 4, height: 2, channels: 4 } })
    .png()
    .toFile(path);
  return path;
}

const columns = (...values: number[]): number[] => [...values, ...values];

describe("a mask that is white everywhere and drawn in its alpha channel", () => {
  const paint = () => writeImage("brush.png", [255, 255, 255, 255], [255, 255, 255, 0]);

  test("is refused: it would repaint all", async () => {
    const path = await paint();
    const reading = readMask(path);
    await expect(reading).rejects.toBeInstanceOf(InputImageError);
    await expect(reading).rejects.toThrow(/brush\.png is white everywhere.*--mask-from-alpha/u);
  });

  test("is read from its alpha when asked: what is painted is repainted", async () => {
    const path = await paint();
    const mask = await readMask(path, { fromAlpha: "auto" });
    expect([...mask.data]).toEqual(columns(255, 255, 0, 0));
    expect(mask.notes.join()).toContain("what is opaque is repainted");
    expect([...(await readMask(path, { fromAlpha: "transparent" })).data]).toEqual(columns(0, 0, 255, 255));
  });
});

describe("an image with a hole", () => {
  const hole = () => writeImage("hole.png", [200, 30, 30, 255], [0, 0, 0, 0]);

  test("as its own mask is refused, and taken from its alpha when asked: the hole is repainted", async () => {
    const path = await hole();
    await expect(readMask(path, { imagePath: path })).rejects.toThrow(/hole\.png is the image itself/u);
    const mask = await readMask(path, { imagePath: path, fromAlpha: "auto" });
    expect([...mask.data]).toEqual(columns(0, 0, 255, 255));
    expect(mask.notes.join()).toContain("what is transparent is repainted");
    expect([...(await readMask(path, { fromAlpha: "opaque" })).data]).toEqual(columns(255, 255, 0, 0));
  });

  test("as a mask keeps the reference's brightness and says so", async () => {
    const mask = await readMask(await hole());
    expect([...mask.data]).toEqual(columns(81, 81, 0, 0)); // (200·19595 + 30·38470 + 30·7471 + 2^15) >> 16
    expect(mask.notes).toHaveLength(1);
    expect(mask.notes[0]).toMatch(/alpha channel, which does not count/u);
  });

  test("as an image keeps the colours beneath, as diffusers does, and says so", async () => {
    const image = await readImage(await hole());
    expect([...image.data.subarray(0, 12)]).toEqual([200, 30, 30, 200, 30, 30, 0, 0, 0, 0, 0, 0]);
    expect(image.notes.join()).toMatch(/hole\.png is transparent in 50 % .*mostly black/u);
  });
});

test("a mask whose alpha says the same as its brightness, and opaque images, need no note", async () => {
  const same = await writeImage("same.png", [255, 255, 255, 255], [0, 0, 0, 0]);
  expect((await readMask(same)).notes).toEqual([]);
  const opaque = await writeImage("opaque.png", [255, 255, 255, 255], [9, 9, 9, 255]);
  expect((await readMask(opaque)).notes).toEqual([]);
  expect((await readImage(opaque)).notes).toEqual([]);
});

test("no alpha, or one that marks nothing, is no mask", async () => {
  const opaque = await writeImage("flat.png", [255, 255, 255, 128], [9, 9, 9, 128]);
  await expect(readMask(opaque, { fromAlpha: "auto" })).rejects.toThrow(/the same everywhere/u);
  const path = join(folder, "rgb.png");
  await sharp({ create: { width: 2, height: 2, channels: 3, background: "#123" } })
    .png()
    .toFile(path);
  await expect(readMask(path, { fromAlpha: "auto" })).rejects.toThrow(/has no alpha channel/u);
});

test("gray with alpha is judged like colours", async () => {
  const path = join(folder, "gray-alpha.png");
  const data = Uint8Array.from([255, 255, 255, 0]);
  await sharp(data, { raw: { width: 2, height: 1, channels: 2 } })
    .toColourspace("b-w")
    .png()
    .toFile(path);
  await expect(readMask(path)).rejects.toThrow(/white everywhere/u);
  expect([...(await readMask(path, { fromAlpha: "auto" })).data]).toEqual([255, 0]);
});
