import { expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { parseHeader } from "../../src/weights/safetensors-header.ts";
import { safetensorsBytes } from "./files.ts";

const samples = [
  safetensorsBytes("{}", 0),
  safetensorsBytes({ a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] } }, 24),
  safetensorsBytes(
    {
      __metadata__: { format: "pt", ключ: '\u0000"\\' },
      "layer.0.weight": { dtype: "BF16", shape: [1, 4], data_offsets: [0, 8] },
      "layer.0.SCB": { dtype: "F32", shape: [], data_offsets: [8, 12] },
      none: { dtype: "I64", shape: [0, 7], data_offsets: [12, 12] },
    },
    12,
  ),
];

const pieces = ['{', '}', '[', ']', '"', ":", ",", "0", "9007199254740993", "-1", "1e9", "null", "\\", "\\u0000", "F64", '"a":', "\xff"]; // prettier-ignore

test("a mutated file is either read or refused with a CheckpointError, never anything else", () => {
  const random = createRandom(20240607);
  const outcomes = { read: 0, refused: 0 };
  for (let i = 0; i < 5000; i++) {
    const bytes = mutate(samples[i % samples.length]!, random);
    try {
      const { tensors } = parseHeader(bytes, bytes.length, "x");
      for (const { offset, byteLength } of tensors.values())
        expect(offset + byteLength).toBeLessThanOrEqual(bytes.length);
      outcomes.read++;
    } catch (error) {
      if (!(error instanceof CheckpointError))
        throw new Error(`mutation ${i}: ${bytes.toString("latin1")}`, { cause: error });
      outcomes.refused++;
    }
  }
  expect(outcomes.read).toBeGreaterThan(100);
  expect(outcomes.refused).toBeGreaterThan(1000);
});

/** One to three edits; in half of the cases the length prefix is made to fit again, to get beyond it. */
function mutate(sample: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(sample);
  for (let edits = 1 + random(3); edits > 0; edits--) {
    const at = random(bytes.length);
    const kind = random(4);
    if (kind === 0) bytes[at] = random(256);
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(4))]);
    else if (kind === 2) bytes = splice(bytes, at, Buffer.from(pieces[random(pieces.length)]!, "latin1"));
    else bytes = splice(bytes, at, bytes.subarray(random(bytes.length)).subarray(0, 1 + random(40)));
  }
  const end = bytes.lastIndexOf("}");
  if (bytes.length >= 8 && end >= 8 && random(2) === 0) bytes.writeBigUInt64LE(BigInt(end + 1 - 8));
  return bytes;
}

function splice(bytes: Buffer, at: number, inserted: Buffer): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
}

/** A small generator (Lehmer's, modulus 2^31 - 1), so that a failure can be repeated. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = Number((BigInt(state) * 48271n) % 2147483647n);
    return state % Math.max(1, below);
  };
}
