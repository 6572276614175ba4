import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { parseExifTexts } from "../../src/image/exif-text.ts";

/** A block with one directory; values of more than four bytes follow it. */
function block(order: "II" | "MM", entries: readonly (readonly [tag: number, type: number, value: Buffer])[]): Buffer {
  const little = order === "II";
  const u16 = (value: number): Buffer => {
    const bytes = Buffer.alloc(2);
    return little ? (bytes.writeUInt16LE(value), bytes) : (bytes.writeUInt16BE(value), bytes);
  };
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    return little ? (bytes.writeUInt32LE(value), bytes) : (bytes.writeUInt32BE(value), bytes);
  };
  const directory = (at: number, list: typeof entries): Buffer => {
    let free = at + 2 + 12 * list.length + 4;
    const values: Buffer[] = [];
    const rows = list.map(([tag, type, value]) => {
      const head = [u16(tag), u16(type), u32(type === 4 ? 1 : value.length)];
      if (value.length <= 4) return Buffer.concat([...head, Buffer.concat([value, Buffer.alloc(4)]).subarray(0, 4)]);
      values.push(value);
      free += value.length;
      return Buffer.concat([...head, u32(free - value.length)]);
    });
    return Buffer.concat([u16(list.length), ...rows, u32(0), ...values]);
  };
  const first = directory(8, [...entries.filter(([tag]) => tag !== 0x9286), [0x8769, 4, u32(0)]]);
  const inner = entries.filter(([tag]) => tag === 0x9286);
  const whole = directory(8, [...entries.filter(([tag]) => tag !== 0x9286), [0x8769, 4, u32(8 + first.length)]]);
  return Buffer.concat([
    Buffer.from(order),
    u16(42),
    u32(8),
    whole,
    ...(inner.length > 0 ? [directory(8 + first.length, inner)] : []),
  ]);
}

describe.each(["II", "MM"] as const)("%s", (order) => {
  test("a description, and a comment in UTF-16 of either order", () => {
    const text = Buffer.from("a cat 猫", "utf16le");
    for (const comment of [text, Buffer.from(text).swap16()]) {
      const exif = block(order, [
        [0x010e, 2, Buffer.from("described\0")],
        [0x9286, 7, Buffer.concat([Buffer.from("UNICODE\0"), comment])],
      ]);
      expect(parseExifTexts(exif)).toEqual(
        new Map([
          ["ImageDescription", "described"],
          ["UserComment", "a cat 猫"],
        ]),
      );
      expect(parseExifTexts(Buffer.concat([Buffer.from("Exif\0\0"), exif])).size).toBe(2);
    }
  });

  test("cut off anywhere it throws nothing and invents nothing", () => {
    const exif = block(order, [
      [0x010f, 2, Buffer.from("workflow:{}\0")],
      [0x9286, 7, Buffer.from("ASCII\0\0\0plain words")],
    ]);
    expect(parseExifTexts(exif).get("UserComment")).toBe("plain words");
    for (let length = 0; length < exif.length; length++) {
      for (const text of parseExifTexts(exif.subarray(0, length)).values())
        expect(["workflow:{}", "plain words"]).toContain(text);
    }
  });
});

test("what sharp writes", async () => {
  const file = await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } })
    .jpeg()
    .withExif({ IFD0: { ImageDescription: "words" } })
    .toBuffer();
  const { exif } = await sharp(file).metadata();
  expect(parseExifTexts(exif!).get("ImageDescription")).toBe("words");
});
