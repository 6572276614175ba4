import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { configLimits, jsonShapeFault, listLimits, parseJson } from "../../src/files/json.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const parse = (text: string): unknown => parseJson(bytes(text), configLimits, "x.json", CheckpointError);

describe("jsonShapeFault", () => {
  const limits = { maxBytes: 1000, maxDepth: 3, maxValues: 20, maxItems: 4 };

  test.each([
    ['{"a":[1,2,3,4]}', undefined],
    ['{"a":[1,2,3,4,5]}', /list of more than 4/],
    ['{"a":1,"b":1,"c":1,"d":1,"e":1}', undefined], // keys of an object are no list
    ["[[[1]]]", undefined],
    ["[[[[1]]]]", /more than 3 deep/],
    ['["[[[[[[[[", "\\"[[[[[[\\\\"]', undefined], // in a string nothing counts
    [`[${"[],".repeat(3)}1]`, undefined],
    [`{"a":{"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7,"i":8,"j":9,"k":0}}`, /more than 20 values/],
    [" ".repeat(1001), /has 1001 bytes of JSON; 1000 are allowed/],
    ['"never ends', undefined], // JSON.parse says so
    ["]]]]", undefined],
  ])("%s", (text, fault) => {
    const found = jsonShapeFault(bytes(text), limits);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });
});

describe("parseJson", () => {
  test("gives what JSON.parse gives, without a byte order mark", () => {
    expect(parse('\ufeff{"a": [1, {"b": "\\u0041"}]}')).toEqual({ a: [1, { b: "A" }] });
  });

  test.each([
    ["nothing", "", /x\.json is not valid JSON/],
    ["a word", '{"a": \u001b]0;x}', /not valid JSON \(.*\\u\{1b\}/],
    ["a hundred thousand brackets", "[".repeat(100_000), /nests JSON more than 32 deep/],
    ["four million values", `[${"1,".repeat(1_900_000)}1]`, /list of more than 100000 elements/],
    ["text that is not UTF-8", "\ud800", /./],
  ])("refuses %s", (_, text, message) => {
    const content = text === "\ud800" ? Uint8Array.of(0x22, 0xff, 0x22) : bytes(text);
    const parsing = () => parseJson(content, configLimits, "x.json", CheckpointError);
    expect(parsing).toThrow(CheckpointError);
    expect(parsing).toThrow(message);
  });
});

test("the lists of the cascade fit: CLIP's tokenizer.json has 49,408 tokens and 48,894 merges", () => {
  const vocab = Object.fromEntries(Array.from({ length: 49_408 }, (_, i) => [`token${i}`, i]));
  const merges = Array.from({ length: 48_894 }, () => ["a", "b"]);
  expect(jsonShapeFault(bytes(JSON.stringify({ model: { vocab, merges } })), listLimits)).toBeUndefined();
});
