/** Stages that are told their own height and width, as diffusers' pipelines take them. */

import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Request } from "../../src/plan/request.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { describedImage } from "./described-image.ts";
import { draw } from "./draw-tiny.ts";
import { ofReference, tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

/** scripts/golden/make-list.py prints them, as `wide` and `tall`. */
const reference = {
  "stage-1": [105.173, 46.487, 193.755, 0, 21, 89, 47, 1, 248, 211],
  "stage-2": [105.139, 138.188, 126.066, 255, 31, 186, 12, 122, 80, 254],
};

test("a wide first stage and a tall second one, as diffusers draws them", async () => {
  const request: Request = {
    ...ofReference(tinyUntil(256)),
    stages: {
      "stage-1": { steps: 3, guidance: 7, width: 40, height: 16 },
      "stage-2": { steps: 3, guidance: 4, noiseLevel: 250, width: 32, height: 48 },
    },
    watermark: false,
    seed: 3,
  };
  const folder = temporaryFolder();
  const [job] = await draw([request], { saveStages: folder });
  expect(job?.images).toMatchObject([{ width: 32, height: 48 }]);
  for (const [stage, expected] of Object.entries(reference)) {
    const drawn = await describedImage(join(folder, `${stage}.png`));
    drawn.forEach((value, at) => expect(Math.abs(value - expected[at]!), `${stage} ${at}`).toBeLessThan(1.5));
  }
});
