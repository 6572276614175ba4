/** A prompt in parts of 77 tokens, against diffusers' IFPipeline that was handed the same parts' embeddings. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { withStage1 } from "../../src/pipelines/stage-1.ts";
import { withTextEncoder } from "../../src/pipelines/text-encoding.ts";
import { bundledPath } from "../golden.ts";
import { maxDifference } from "../math/golden-tensors.ts";
import { settingsFor } from "./reference-run.ts";

interface Golden {
  readonly parts: string[];
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly shape: [number, number, number, number];
  readonly images: number[];
}
const golden = JSON.parse(readFileSync(bundledPath("steering", "long-prompt.json"), "utf8")) as Golden;
const checkpoint = bundledPath("checkpoints", "if-i");

test("its parts are embedded apart, and laid end to end", async () => {
  const textParts = golden.parts.length;
  const encoded = await withTextEncoder(
    {
      checkpoint,
      texts: 2,
      cleanCaption: false,
      textParts,
      settings: await settingsFor(join(checkpoint, "text_encoder")),
    },
    (encode) => encode([golden.parts.join(" ")], [""]),
  );
  expect(encoded.prompts.map(({ preprocessed }) => preprocessed)).toEqual(golden.parts);
  expect(encoded.negativePrompts.map(({ preprocessed }) => preprocessed)).toEqual(["", ""]);
  expect(encoded.prompts.map(({ truncatedText }) => truncatedText)).toEqual(["", ""]);
  expect(encoded.promptEmbeds.shape.slice(0, 2)).toEqual([1, 77 * textParts]);
  const [, , height, width] = golden.shape;
  const drawn = await withStage1(
    {
      checkpoint,
      images: 1,
      width,
      height,
      textParts,
      selection: { numInferenceSteps: golden.steps },
      guidanceScale: golden.guidance,
      eta: 0,
      settings: await settingsFor(join(checkpoint, "unet")),
    },
    (draw) =>
      draw({
        promptEmbeds: encoded.promptEmbeds,
        negativePromptEmbeds: encoded.negativePromptEmbeds,
        imagesPerPrompt: 1,
        start: { kind: "noise", height, width },
        generator: createGenerator(golden.seed),
      }),
  );
  expect(drawn.shape).toEqual(golden.shape);
  expect(maxDifference(drawn.data, Float32Array.from(golden.images))).toBeLessThan(2e-4); // as whole runs elsewhere
});
