import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import { insertPngText, parsePngText, readPngText } from "../../src/image/png-text.ts";
import { encodePng } from "../../src/image/write-png.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-text-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("text of foreign files", () => {
  const chunk = (type: string, data: Buffer) => {
    const out = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
    out.writeUInt32BE(data.length);
    return out;
  };
  const png = (...chunks: Buffer[]) => Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), ...chunks]);

  test("compressed iTXt with language is read", () => {
    const body = Buffer.concat([Buffer.from("key\0\u0001\0de\0Schlüssel\0"), deflateSync(Buffer.from("größer"))]);
    expect(parsePngText(png(chunk("iTXt", body)))).toEqual(new Map([["key", "größer"]]));
  });

  test("what cannot be understood is left out", () => {
    const broken = Buffer.from("key\0\u0001\0\0\0not deflated");
    const file = png(chunk("iTXt", broken), chunk("iTXt", Buffer.from("key")), chunk("tEXt", Buffer.from("no zero")));
    expect(parsePngText(file)).toEqual(new Map());
    expect(parsePngText(file.subarray(0, 30))).toEqual(new Map());
  });

  test("a text that would grow without end is left out", () => {
    const body = Buffer.concat([Buffer.from("key\0\u0001\0\0\0"), deflateSync(Buffer.alloc(64 * 1024 * 1024))]);
    expect(parsePngText(png(chunk("iTXt", body)))).toEqual(new Map());
  });

  test("inserting keeps the image's own chunks byte for byte", async () => {
    const plain = await encodePng({ data: new Uint8Array(27), width: 3, height: 3, channels: 3 });
    expect(insertPngText(plain, new Map())).toEqual(plain);
  });

  test("other files are refused", async () => {
    const path = join(folder, "text.png");
    writeFileSync(path, "no image");
    await expect(readPngText(path)).rejects.toThrow(InputImageError);
    await expect(readPngText(join(folder, "nowhere.png"))).rejects.toThrow(InputImageError);
  });
});
