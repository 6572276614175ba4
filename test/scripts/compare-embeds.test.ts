import { expect, test } from "vitest";
import { compareEmbeds } from "../../scripts/measure/compare-embeds.ts";

test("all tokens, each text, and the worst word, padding left out", () => {
  // two texts of three tokens, two wide; the first has one word, the second two
  const exact = Float32Array.of(1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1);
  const other = Float32Array.of(2, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1);
  const { all, worst, texts } = compareEmbeds(exact, other, [1, 2], 3);
  expect(worst).toBeCloseTo(Math.SQRT1_2, 6); // the fifth token; the second and third are at right angles, but padding
  expect(texts[0]).toBeCloseTo(2 / Math.sqrt(3 * 6), 6);
  expect(texts[1]).toBeCloseTo(3 / Math.sqrt(3 * 4), 6);
  expect(all).toBeCloseTo(5 / Math.sqrt(6 * 10), 6);
});
