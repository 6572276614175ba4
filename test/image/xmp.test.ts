import { expect, test } from "vitest";
import { formatXmp, parseXmp } from "../../src/image/xmp.ts";

const texts = new Map([
  ["parameters", 'a <red> cube & 猫 "q"\nSteps: 1'],
  ["if-gen", '{"prompt":"<b> & \\u001b"}'],
]);

test("both texts come back as they were", () => {
  expect(parseXmp(formatXmp(texts))).toEqual(texts);
  expect(parseXmp(formatXmp(new Map([["parameters", "x"]])))).toEqual(new Map([["parameters", "x"]]));
});

test("an editor that writes properties as attributes, and references by number", () => {
  const packet = `<rdf:Description ifgen:settings="{&quot;a&quot;: &#x732b;&#10;&unknown; &#x110000;}" />`;
  expect(parseXmp(packet)).toEqual(new Map([["if-gen", '{"a": 猫\n&unknown; &#x110000;}']]));
});

test("what is no XMP says nothing, in time", () => {
  expect(parseXmp("<dc:description>".repeat(50_000))).toEqual(new Map());
  expect(parseXmp("<dc:description><rdf:Alt><rdf:li ".repeat(20_000))).toEqual(new Map());
});
