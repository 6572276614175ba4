import { expect, test } from "vitest";
import { nearestName } from "../../src/weights/nearest-name.ts";

test.each<[string, string[], string | undefined]>([
  ["conv1.weight", ["conv.weight", "conv2.bias", "norm.weight"], "conv.weight"],
  ["conv1.weight", ["conv1.bias", "conv2.weight"], "conv2.weight"],
  ["to_out.weight", ["to_out.0.weight"], "to_out.0.weight"],
  ["abcd", ["abce", "abcf"], "abce"],
  ["abcd", ["abef"], undefined],
  ["time_embedding", ["x", "proj_in.weight"], undefined],
  ["a", [], undefined],
])("nearest to %s in %j: %s", (name, names, expected) => {
  expect(nearestName(name, names)).toBe(expected);
});
