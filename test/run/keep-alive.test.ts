/** Runs that keep their stages' networks draw what runs of their own draw, whatever has changed between them. */

import { expect, onTestFinished, test } from "vitest";
import { draw, hashesOf } from "./draw-tiny.ts";
import { importBuilt, tinyRequest, tinySettings, tinyUntil } from "./tiny-cascade.ts";

const { KeptStages } = await importBuilt<typeof import("../../src/executor/kept-stages.ts")>("executor/kept-stages");

test.skipIf(process.platform !== "linux")("to the byte, and what is kept is used again", async () => {
  const keptStages = new KeptStages();
  onTestFinished(() => keptStages.close());
  const kept = { ...tinySettings, keptStages, budgets: { ...tinySettings.budgets, held: () => keptStages.held() } };
  const large = tinyUntil(1024);
  const alone = hashesOf(await draw([large]));
  expect(hashesOf(await draw([large], kept))).toEqual(alone);
  expect(hashesOf(await draw([large], kept))).toEqual(alone);
  const others = [1, 2].map((seed) => ({ ...tinyRequest, seed, stages: { "stage-1": { steps: 3, guidance: 1 } } }));
  expect(hashesOf(await draw(others, kept))).toEqual(hashesOf(await draw(others)));
  expect(keptStages.held().ram).toBeGreaterThan(0);
});
