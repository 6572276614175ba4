/** Images whose files are as small as their formats allow. */

import { crc32, deflateSync } from "node:zlib";

interface PngKind {
  readonly width: number;
  readonly height: number;
  readonly depth: 1 | 8 | 16;
  /** 0 gray, 2 RGB, 6 RGBA. */
  readonly colour: 0 | 2 | 6;
  readonly interlaced?: boolean;
}

/** A flat image: as small as a PNG of its size can be. */
export function png({ width, height, depth, colour, interlaced = false }: PngKind): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, colour, 0, 0, interlaced ? 1 : 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const samples = { 0: 1, 2: 3, 6: 4 }[colour];
  const lineBytes = 1 + Math.ceil((width * samples * depth) / 8);
  const raw = Buffer.alloc(lineBytes * height + (interlaced ? 16 * height : 0));
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, body: Buffer): Buffer {
  const out = Buffer.concat([Buffer.alloc(4), Buffer.from(type), body, Buffer.alloc(4)]);
  out.writeUInt32BE(body.length);
  out.writeUInt32BE(crc32(out.subarray(4, -4)), out.length - 4);
  return out;
}

/** Pages of one pixel each, all with the same strip. */
export function tiffOf(pages: number, circular: boolean): Buffer {
  const tags = [[256, 1], [257, 1], [258, 8], [259, 1], [262, 1], [273, 8], [277, 1], [278, 1], [279, 1]] as const; // prettier-ignore
  const pageBytes = 2 + tags.length * 12 + 4;
  const out = Buffer.alloc(12 + pages * pageBytes);
  out.write("II*\0", "latin1");
  out.writeUInt32LE(12, 4);
  for (let page = 0; page < pages; page++) {
    const at = 12 + page * pageBytes;
    out.writeUInt16LE(tags.length, at);
    tags.forEach(([tag, value], i) => {
      out.writeUInt16LE(tag, at + 2 + i * 12);
      out.writeUInt16LE(4, at + 4 + i * 12);
      out.writeUInt32LE(1, at + 6 + i * 12);
      out.writeUInt32LE(value, at + 10 + i * 12);
    });
    const next = page + 1 < pages ? at + pageBytes : circular ? 12 : 0;
    out.writeUInt32LE(next, at + pageBytes - 4);
  }
  return out;
}

/** Frames of one pixel each. */
export function gifOf(frames: number): Buffer {
  const head = Buffer.from("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff", "latin1");
  const frame = Buffer.from("\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00", "latin1");
  return Buffer.concat([head, ...Array.from({ length: frames }, () => frame), Buffer.from(";")]);
}
