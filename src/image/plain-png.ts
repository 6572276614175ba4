/**
 * @module image/plain-png
 * A small PNG without a library: for images that the parent process shows or keeps, which loads no codec.
 *
 * Source: PNG specification (third edition), 5.2 structure, 9.2 filter type 0, 11.2.1 IHDR.
 */

import { deflateSync } from "node:zlib";
import type { RgbImage } from "./pixels.ts";
import { encodeChunk } from "./png-text.ts";

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** @returns the file's bytes: 8-bit RGB, rows as they are. */
export function encodePlainPng({ data, width, height }: Omit<RgbImage, "channels">): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, deflate, no interlace
  const rows = Buffer.alloc(height * (1 + 3 * width)); // each behind its filter, 0: none
  for (let y = 0; y < height; y++) rows.set(data.subarray(3 * width * y, 3 * width * (y + 1)), y * (1 + 3 * width) + 1);
  const chunks = [
    ["IHDR", header],
    ["IDAT", deflateSync(rows)],
    ["IEND", Buffer.alloc(0)],
  ] as const;
  return Buffer.concat([signature, ...chunks.map(([type, content]) => encodeChunk(type, content))]);
}
