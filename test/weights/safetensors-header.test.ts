import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { parseHeader } from "../../src/weights/safetensors-header.ts";
import { safetensorsBytes } from "./files.ts";

const a = { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] };
const b = { dtype: "F16", shape: [4], data_offsets: [24, 32] };

const parse = (bytes: Uint8Array) => parseHeader(bytes, bytes.length, "x.safetensors");
const parseText = (header: string | object, data: number) => parse(safetensorsBytes(header, data));

describe("parseHeader", () => {
  test("gives names, types, shapes and places in the file", () => {
    const bytes = safetensorsBytes({ __metadata__: { format: "pt" }, b, a }, 32);
    const { dataOffset, metadata, tensors } = parse(bytes);
    expect(dataOffset).toBe(bytes.length - 32);
    expect([...metadata]).toEqual([["format", "pt"]]);
    expect([...tensors.values()]).toEqual([
      { name: "b", dtype: "F16", shape: [4], offset: dataOffset + 24, byteLength: 8 },
      { name: "a", dtype: "F32", shape: [2, 3], offset: dataOffset, byteLength: 24 },
    ]);
  });

  test("takes what the format allows", () => {
    expect(parseText("{}", 0).tensors.size).toBe(0);
    expect(parseText('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   ', 4).tensors.get("a")?.shape).toEqual(
      [],
    );
    const empty = { dtype: "F32", shape: [0, 5], data_offsets: [24, 24] };
    expect(parseText({ empty, a }, 24).tensors.get("empty")?.byteLength).toBe(0);
    expect([...parseText('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1).tensors.keys()]).toEqual([
      "__proto__",
    ]);
  });

  const entry = (fields: object) => ({ a: { ...a, ...fields } });
  const text = (json: object) => JSON.stringify(json);
  test.each<[string, string | object, number, RegExp]>([
    ["no brace first", ` ${text({ a })}`, 24, /starts without "\{"/],
    ["an array", "[]", 0, /starts without "\{"/],
    ["broken JSON", '{"a":', 0, /not valid JSON/],
    ["a duplicate tensor", `{"a":${text(a)},"a":${text(a)}}`, 24, /gives the key "a" twice/],
    ["a duplicate tensor, escaped", `{"a":${text(a)},"\\u0061":${text(a)}}`, 24, /gives the key "a" twice/],
    ["a duplicate field", '{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', 1, /key "shape" twice/],
    ["a duplicate metadata key", '{"__metadata__":{"k":"1","k":"2"}}', 0, /key "k" twice/],
    ["a name that is not Unicode", `{"\\ud800":${text(a)}}`, 24, /not valid Unicode/],
    ["a fraction", '{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', 1, /whole number/],
    ["an exponent", '{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', 1, /whole number/],
    ["metadata that is no map of strings", { __metadata__: { k: 1 } }, 0, /__metadata__/],
    ["an entry that is no object", { a: 3 }, 0, /entry for tensor "a"/],
    ["an unknown field", entry({ order: "C" }), 24, /entry for tensor "a" is broken.*order/],
    ["a missing field", { a: { dtype: "F32", shape: [6] } }, 24, /tensor "a" is broken in "data_offsets"/],
    ["a negative side", entry({ shape: [-2, -3] }), 24, /broken header/],
    ["three offsets", entry({ data_offsets: [0, 24, 24] }), 24, /tensor "a" is broken in "data_offsets"/],
    ["an unknown type", entry({ dtype: "F4" }), 24, /tensor "a" has the type "F4"/],
    ["a type that is a property of objects", entry({ dtype: "toString" }), 24, /the type "toString"/],
    ["too few bytes", entry({ data_offsets: [0, 20] }), 20, /"a" lies at bytes 0 to 20, but F32 \[2, 3\] takes 24/],
    ["end before begin", entry({ shape: [0], data_offsets: [4, 0] }), 4, /"a" lies at bytes 4 to 0/],
    ["an overflow", entry({ shape: [2 ** 30, 2 ** 30, 2 ** 30] }), 24, /F32 \[.*takes/],
    ["a hole", { a, b: { ...b, data_offsets: [32, 40] } }, 40, /"b" starts at byte \d+ and leaves a hole/],
    ["a hole before the first", entry({ data_offsets: [8, 32] }), 32, /"a" starts at byte \d+ and leaves a hole/],
    ["an overlap", { a, b: { ...b, data_offsets: [16, 24] } }, 24, /"b" starts at byte \d+ and overlaps/],
    ["the same bytes twice", { a, b: a }, 24, /"b" starts at byte \d+ and overlaps/],
    ["tensors after the end", { a }, 23, /cut short: tensor "a" ends at byte \d+ and the file at \d+/],
    ["bytes after the last tensor", { a }, 25, /has 1 bytes after its last tensor/],
  ])("refuses %s", (_, header, data, message) => {
    const parsing = () => parseText(header, data);
    expect(parsing).toThrow(CheckpointError);
    expect(parsing).toThrow(message);
    expect(parsing).toThrow(/^x\.safetensors/);
  });

  const lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 42\n";
  test.each<[string, Buffer, RegExp]>([
    ["an empty file", Buffer.alloc(0), /is empty/],
    ["a Git LFS pointer", Buffer.from(lfs), /is a Git LFS pointer, not the weights; run git lfs pull/],
    ["less than a length", Buffer.from([1, 0, 0]), /only 3 bytes/],
    ["a header beyond the cap", Buffer.from("<!DOCTYPE html>"), /not a safetensors file.*10000000 are allowed/],
    ["a header beyond the file", safetensorsBytes({ a }, 24).subarray(0, 30), /cut short: its header takes \d+ bytes/],
    ["text that is not UTF-8", safetensorsBytes("{}", 0).fill(0xff, 9), /not valid JSON/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(CheckpointError);
    expect(() => parse(bytes)).toThrow(message);
  });

  test("refuses a header of no bytes", () => {
    expect(() => parse(Buffer.alloc(8))).toThrow(CheckpointError);
  });
});
