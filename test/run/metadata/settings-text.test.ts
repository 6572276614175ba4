/** What images say of the files that they were drawn from. */

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import type { Plan } from "../../../src/plan/plan.ts";
import type { Request } from "../../../src/plan/request.ts";
import { parseSettings, settingsTexts } from "../../../src/run/metadata/settings-text.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";
import { plainRequest } from "../../plan/plain-request.ts";
import { planOf } from "../../plan/plan-of.ts";

test("files that were read for the plan are not read again, others once for all requests", async () => {
  const folder = temporaryFolder();
  const fileOf = (name: string): string => {
    writeFileSync(join(folder, name), name);
    return relative(process.cwd(), join(folder, name));
  };
  const [lora, unused, image, upscaler] = ["lora", "unused.safetensors", "image.png", "x4.pth"].map(fileOf);
  const loras = [{ file: join(folder, "lora"), sha256: "a".repeat(64), weight: 1 }];
  const plan = planOf({});
  const stages = plan.stages.map((stage) =>
    stage.kind === "diffusion" ? { ...stage, lora: { network: "unet" as const, loras, cache: "/cache" } } : stage,
  );
  const enlarged = {
    kind: "single-pass",
    name: "esrgan",
    checkpoint: join(folder, "x4.pth"),
    sha256: "b".repeat(64),
  } as const;
  const known: Plan = { ...plan, stages: [...stages, { ...enlarged, width: 4, height: 4 }] };
  const request: Request = {
    ...plainRequest,
    loras: [
      { file: lora!, weight: 1 },
      { file: unused!, weight: 1 },
    ],
    start: { image: image!, pasteBack: false },
    upscalerModel: upscaler!,
  };
  const texts = await settingsTexts([request, request], known);
  const sha256 = (name: string): string => createHash("sha256").update(name).digest("hex");
  for (const text of texts) {
    expect(parseSettings(text, "a.png").inputs).toEqual([
      { option: "image", path: image, sha256: sha256("image.png") },
      { option: "upscalerModel", path: upscaler, sha256: "b".repeat(64) },
      { option: "lora", path: lora, sha256: "a".repeat(64) },
      { option: "lora", path: unused, sha256: sha256("unused.safetensors") },
    ]);
  }
  expect(texts).toHaveLength(2);
});
