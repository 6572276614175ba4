import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OutputError } from "../../src/errors.ts";
import { readPngText } from "../../src/image/png-text.ts";
import { readImage } from "../../src/image/read-image.ts";
import { encodePng, writePng } from "../../src/image/write-png.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "if-gen-write-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const [width, height] = [23, 17];
const image = {
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 5 + i) % 256),
  width,
  height,
  channels: 3,
} as const;

/** Chunk types, in order. */
function chunkTypes(png: Buffer): string[] {
  const types = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) types.push(png.toString("latin1", at + 4, at + 8));
  return types;
}

describe("a written image", () => {
  const text = new Map([
    ["parameters", "a café, naïve\nSteps: 50, Seed: 1"],
    ["comment", '日本語 🦊 "quoted"'],
    ["empty", ""],
  ]);

  test("has its pixels and its text", async () => {
    const path = join(folder, "image.png");
    await writePng(path, image, text);
    const read = await readImage(path);
    expect([read.width, read.height]).toEqual([width, height]);
    expect(read.data).toEqual(image.data);
    expect(await readPngText(path)).toEqual(text);
    expect(readdirSync(folder)).toEqual(["image.png"]);
  });

  test("says Latin-1 in tEXt, the rest in iTXt, and nothing else about itself", async () => {
    const types = chunkTypes(await encodePng(image, text));
    expect(types.filter((type) => type !== "IDAT")).toEqual(["IHDR", "tEXt", "iTXt", "tEXt", "IEND"]);
    expect(chunkTypes(await encodePng(image)).filter((type) => type !== "IDAT")).toEqual(["IHDR", "IEND"]);
  });

  test("waits for what is to be there before it", async () => {
    const path = join(folder, "image.png");
    let allow: () => void = () => undefined;
    const written = writePng(path, image, text, new Promise<void>((resolve) => (allow = resolve)));
    await encodePng(image); // as long as the other takes
    await new Promise(setImmediate);
    expect(readdirSync(folder)).toEqual([]);
    allow();
    await written;
    expect(readdirSync(folder)).toEqual(["image.png"]);
    const lost = new Error("the disk is full");
    const failing = Promise.reject(lost);
    failing.catch(() => undefined); // before it is awaited
    await expect(writePng(join(folder, "other.png"), image, text, failing)).rejects.toBe(lost);
    expect(readdirSync(folder)).toEqual(["image.png"]);
  });

  test("replaces the one before", async () => {
    const path = join(folder, "image.png");
    writeFileSync(path, "something else");
    await writePng(path, image);
    expect((await readImage(path)).data).toEqual(image.data);
    expect(await readPngText(path)).toEqual(new Map());
  });
});

describe("an image that cannot be written is an OutputError and leaves nothing behind", () => {
  test.each([
    ["no folder", "missing/image.png", "its folder does not exist"],
    ["a file as folder", "file/image.png", "its folder is a file"],
    ["a folder in its place", "folder", "it is a folder"],
    ["a name too long", `${"x".repeat(300)}.png`, "its name is too long"],
  ])("%s", async (_, name, part) => {
    writeFileSync(join(folder, "file"), "");
    mkdirSync(join(folder, "folder"));
    const path = join(folder, name);
    const error = await writePng(path, image).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OutputError);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toContain(part);
    expect(readdirSync(folder).sort()).toEqual(["file", "folder"]);
  });
});
