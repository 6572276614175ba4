/** Jobs that are drawn side by side, or with threads for steps or noise, are, to the byte, what they are one after the other. */

import { expect, test, vi } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { drawGroups } from "../../src/pipelines/groups-at-once.ts";
import { withStage1 } from "../../src/pipelines/stage-1.ts";
import { type UpscaleJob, runUpscale } from "../../src/pipelines/upscale.ts";
import { smallModel } from "../small-model.ts";
import { settingsFor } from "./reference-run.ts";
import { smallUpscaleJob, smallUpscaler } from "./small-upscaler.ts";

/** The built thread: there is none among the sources. */
vi.mock(import("../../src/pipelines/scheduling-threads.ts"), async (importOriginal) => {
  const { withSchedulingThreads } = await importOriginal();
  const entry = new URL("../../dist/program/scheduling-worker.js", import.meta.url);
  return { withSchedulingThreads: (count, use) => withSchedulingThreads(count, use, entry) };
});

vi.mock(import("../../src/pipelines/noise-thread.ts"), async (importOriginal) => {
  const { withNoiseThread } = await importOriginal();
  const entry = new URL("../../dist/program/noise-worker.js", import.meta.url);
  return { withNoiseThread: (wanted, use) => withNoiseThread(wanted, use, entry) };
});

test("stage 1", async () => {
  const settings = await settingsFor(smallModel("if-i"));
  const embeds = (seed: number): Tensor => createGenerator(seed).randn([1, 77, 16]);
  const drawAll = (groupsAtOnce: number, drawsNoiseAhead = false): Promise<Tensor[]> =>
    withStage1(
      {
        checkpoint: smallModel("if-i"),
        images: 1,
        width: 16,
        height: 16,
        selection: { numInferenceSteps: 3 },
        eta: 0,
        guidanceScale: 5,
        settings,
        schedulingThreads: groupsAtOnce - 1,
        drawsNoiseAhead,
      },
      (draw) =>
        drawGroups([1, 2, 3], groupsAtOnce, (seed) =>
          draw({
            promptEmbeds: embeds(seed),
            negativePromptEmbeds: embeds(9),
            imagesPerPrompt: 1,
            start: { kind: "noise", width: 16, height: 16 },
            generator: createGenerator(seed),
          }),
        ),
    );
  const [together, alone] = [await drawAll(2), await drawAll(1)];
  expect(together).toEqual(alone);
  const begun = vi.fn();
  process.once("worker", begun);
  expect(await drawAll(1, true)).toEqual(alone);
  expect(begun).toHaveBeenCalledOnce();
  expect(alone[0]).not.toEqual(alone[1]);
});

test("the upscaler", async () => {
  const settings = await settingsFor(smallModel("x4-upscaler"));
  const drawAll = async (groupsAtOnce: number): Promise<Tensor[]> => {
    const images: Tensor[] = [];
    await runUpscale(
      {
        ...smallUpscaler(settings),
        schedulingThreads: groupsAtOnce - 1,
        groupsAtOnce,
      },
      ["a", "b", "c"].map((prompt) => ({ prompts: [prompt], negativePrompts: [""] })),
      async () => Promise.resolve([1, 2, 3].map((seed): [UpscaleJob] => [smallUpscaleJob(seed)])),
      async (index, result) => {
        images[index] = result.images;
        return Promise.resolve();
      },
    );
    return images;
  };
  const [together, alone] = [await drawAll(2), await drawAll(1)];
  expect(together).toEqual(alone);
  expect(alone[0]).not.toEqual(alone[1]);
});
