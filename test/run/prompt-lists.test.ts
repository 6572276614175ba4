/** Several prompts that share one generator: what diffusers' three pipelines draw of a list, one after the other. */

import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { parsePngText } from "../../src/image/png-text.ts";
import type { Request } from "../../src/plan/request.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { describeTexts } from "../../src/run/metadata/image-made.ts";
import { optionsFromRequest } from "../../src/run/options-from-request.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { describedImage } from "./described-image.ts";
import { draw } from "./draw-tiny.ts";
import { importBuilt, ofReference, tinyRequest, tinySettings, tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

const built = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");

/** scripts/golden/make-list.py prints them: of each image the mean of its colours, and seven of its levels, channel by channel. */
const reference: Readonly<Record<string, readonly (readonly number[])[]>> = {
  "stage-1": [
    [127.925, 52.858, 158.707, 128, 126, 1, 15, 13, 126, 249],
    [131.042, 57.712, 154.922, 193, 103, 110, 147, 147, 248, 254],
    [119.146, 82.292, 153.24, 46, 91, 125, 82, 39, 73, 255],
    [116.571, 79.95, 159.939, 9, 8, 223, 126, 76, 146, 255],
  ],
  "stage-2": [
    [99.505, 109.388, 110.168, 245, 251, 166, 197, 97, 11, 0],
    [104.961, 104.687, 106.586, 235, 237, 36, 0, 0, 132, 0],
    [115.698, 136.468, 128.535, 113, 12, 0, 17, 105, 104, 7],
    [114.643, 146.861, 126.294, 9, 255, 0, 246, 213, 19, 95],
  ],
  "stage-3": [
    [143.043, 157.999, 133.541, 144, 211, 153, 146, 149, 133, 129],
    [142.898, 155.645, 134.463, 135, 163, 184, 209, 153, 141, 111],
    [148.309, 160.016, 133.222, 150, 147, 168, 134, 106, 133, 139],
    [140.502, 153.361, 135.826, 145, 121, 135, 202, 180, 134, 120],
  ],
};

const stages: Request["stages"] = {
  "stage-1": { steps: 3, guidance: 7 },
  "stage-2": { steps: 3, guidance: 4, noiseLevel: 250 },
  "stage-3": { steps: 3, guidance: 9, noiseLevel: 20 },
};
const list: Request = {
  ...ofReference(tinyUntil(1024)),
  stages,
  watermark: false,
  prompt: "a cat",
  morePrompts: ["a blue dog"],
  negativePrompt: "red",
  moreNegativePrompts: [""],
  numImages: 2,
  seed: 3,
};

describe("drawn", () => {
  test("as diffusers draws a list, image by image in each stage; each says its own prompt", async () => {
    const folder = temporaryFolder();
    const [job] = await draw([list], { saveStages: folder });
    for (const [stage, images] of Object.entries(reference)) {
      for (const [index, expected] of images.entries()) {
        const drawn = await describedImage(join(folder, `${stage}-${index + 1}.png`));
        drawn.forEach((value, at) =>
          expect(Math.abs(value - expected[at]!), `${stage} ${index} ${at}`).toBeLessThan(1.5),
        );
      }
    }
    const made = job!.images.map(({ png }) => describeTexts(parsePngText(Buffer.from(png!)), "a.png"));
    expect(made.map((one) => [one?.prompt, one?.negativePrompt])).toEqual([
      ["a cat", "red"],
      ["a cat", "red"],
      ["a blue dog", ""],
      ["a blue dog", ""],
    ]);
    expect(made[3]?.settings?.request).toEqual(list);
  });
});

describe("planned", () => {
  const planOf = async (changes: Partial<Request>) =>
    (await built.completePlans([{ ...tinyRequest, ...changes }], tinySettings))[0]!.plan;
  const failure = (changes: Partial<Request>): Promise<string> => planOf(changes).then(() => "it succeeded", String);

  test("all images are one batch, and a stage's own negative prompt is the row after the others", async () => {
    const stages = { "stage-1": { steps: 2, negativePrompt: "blue" } };
    const plan = await planOf({ ...list, until: 64, stages: stages });
    expect(plan.numImages).toBe(4);
    expect(plan.jobs).toHaveLength(1);
    expect(plan.stages.find(({ kind }) => kind === "diffusion")).toMatchObject({ negativeRow: 2 });
  });

  test("lists of other lengths are other plans", async () => {
    const more = (...morePrompts: string[]): Request => ({ ...tinyRequest, morePrompts });
    const plans = await built.completePlans([more("a"), more("b"), more("a", "b"), tinyRequest], tinySettings);
    expect(plans.map(({ jobs }) => jobs)).toEqual([[0, 1], [2], [3]]);
  });

  test("given embeddings are of one prompt", async () => {
    expect(await failure({ promptEmbeds: "e.safetensors", morePrompts: ["a"] })).toContain(
      "--prompt-embeds are of one prompt: leave --more-prompts out",
    );
  });
});

describe("asked for", () => {
  const given = { prompt: "a cat", seed: 1, morePrompts: ["a dog", "a bird"], moreNegativePrompts: ["red", ""] };
  const failure = (options: object): string => {
    try {
      requestFromOptions("txt2img", { ...given, ...options });
      return "it succeeded";
    } catch (error) {
      return String(error);
    }
  };

  test("options make a request, and a request its options", () => {
    const request = requestFromOptions("txt2img", given);
    expect(request).toMatchObject(given);
    expect(requestFromOptions("txt2img", optionsFromRequest(request))).toEqual(request);
  });

  test("too many, too few, or none to begin with", () => {
    expect(failure({ moreNegativePrompts: ["red"] })).toContain("3 prompts have 2 negative prompts");
    expect(failure({ numImages: 22 })).toContain("3 prompts make 66 images of one batch; at most 64 fit");
    expect(failure({ morePrompts: [" "], moreNegativePrompts: undefined })).toContain("it is empty");
    expect(failure({ prompt: undefined, promptEmbeds: "e.safetensors" })).toContain("more prompts need a first one");
  });
});
