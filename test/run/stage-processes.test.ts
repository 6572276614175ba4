/** Jobs that stages draw in several processes side by side are drawn as in one. */

import { expect, onTestFinished, test } from "vitest";
import { draw, record, workOf } from "./draw-tiny.ts";
import { importBuilt, tinySettings, tinyUntil } from "./tiny-cascade.ts";

const { completePlans } = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");
const { KeptStages } = await importBuilt<typeof import("../../src/executor/kept-stages.ts")>("executor/kept-stages");

const requests = Array.from({ length: 9 }, (_, seed) => ({ ...tinyUntil(64), seed }));
const withTwoThreads = requests.map((request) => ({ ...request, threads: 2 }));

test("to the byte, whatever their number", async () => {
  const { events, onEvent } = record();
  const drawn = await draw(withTwoThreads, { onEvent, pixels: true });
  expect(drawn[0]?.plan.processes).toEqual({ "stage-1": 2 });
  expect(workOf(events).filter((work) => work.startsWith("stage-1"))).toHaveLength(requests.length);
  const inOne = await draw(requests, { pixels: true });
  expect(inOne[0]?.plan.processes).toBeUndefined();
  const pixelsOf = (jobs: typeof drawn) => jobs.map(({ images }) => images.map(({ pixels }) => pixels));
  expect(pixelsOf(drawn)).toEqual(pixelsOf(inOne));
});

test("there is one process of each stage where they are kept for later runs", async () => {
  const keptStages = new KeptStages();
  onTestFinished(() => keptStages.close());
  const [made] = await completePlans(withTwoThreads, { ...tinySettings, keptStages });
  expect(made?.plan.processes).toBeUndefined();
});
