/** Damaged files: what a disk, a line, a careless tool or an enemy makes of a good one. */

import type { Random } from "./random.ts";

const pieces = [
  "{", "}", "[", "]", '"', ":", ",", "0", "-1", "1e9", "9007199254740993", "null", "true", "\\", "\\u0000", "\u0000",
  '"a":', "[[[[[[[[", '{"a":{"a":', "\u001b]0;x\u0007", "\u202e", "\ufeff", "../", "NaN",
].map((text) => Buffer.from(text)); // prettier-ignore

/** @returns one to four edits of `sample`: bytes changed, lost, doubled, moved, cut off, or filled with one value. */
export function mutate(sample: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(sample);
  for (let edits = 1 + random(4); edits > 0; edits--) {
    bytes = edit(bytes, random);
    if (bytes.length > 8_000_000) break;
  }
  return bytes;
}

function edit(bytes: Buffer, random: Random): Buffer<ArrayBuffer> {
  const copy = Buffer.from(bytes);
  const at = random(copy.length);
  switch (random(8)) {
    case 0:
      copy[at] = random(256);
      return copy;
    case 1:
      copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
      return copy;
    case 2:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + random(64))]);
    case 3:
      return splice(copy, at, pieces[random(pieces.length)] ?? Buffer.alloc(0));
    case 4:
      return splice(copy, at, copy.subarray(random(copy.length)).subarray(0, 1 + random(200)));
    case 5:
      return Buffer.from(copy.subarray(0, at));
    case 6:
      return copy.fill([0, 255, 0x20][random(3)] ?? 0, at, Math.min(copy.length, at + 1 + random(64)));
    default:
      return numberAt(copy, random);
  }
}

/** A length, a count or an offset of four bytes becomes one of the values at which arithmetic goes wrong. */
function numberAt(bytes: Buffer<ArrayBuffer>, random: Random): Buffer<ArrayBuffer> {
  if (bytes.length < 4) return bytes;
  const values = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000, 0xffff, 0x00ffffff];
  const at = random(Math.min(bytes.length - 3, random(2) === 0 ? 256 : bytes.length));
  const value = values[random(values.length)] ?? 0;
  if (random(2) === 0) bytes.writeUInt32LE(value, at);
  else bytes.writeUInt32BE(value, at);
  return bytes;
}

function splice(bytes: Buffer, at: number, inserted: Buffer): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
}
