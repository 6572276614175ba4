/** LoRAs from options to the image, on the tiny checkpoints; what is merged is test/weights/lora and test/networks/lora. */

import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { parsePngText } from "../../src/image/png-text.ts";
import type { LoraRequest, Request } from "../../src/plan/request.ts";
import type { CompletePlan } from "../../src/run/complete-plans.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { goldenPath } from "../golden.ts";
import { temporaryFolder } from "../weights/files.ts";
import { filled, goldenLora, writeLora } from "../weights/lora/lora-files.ts";
import { draw } from "./draw-tiny.ts";
import { importBuilt, ofReference, tinyRequest, tinySettings, tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 300_000 }); // each stage is a process

const reference = ofReference(tinyRequest);
const built = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");

const withLoras = (request: Request, ...loras: LoraRequest[]): Request => ({ ...request, loras });
const plan = async (request: Request): Promise<CompletePlan["plan"]> =>
  (await built.completePlans([request], tinySettings))[0]!.plan;

describe("which stage a LoRA changes", () => {
  test("the one whose UNet has its layers, and T5", async () => {
    const loras = [
      { file: goldenLora("peft"), weight: 0.5 },
      { file: goldenLora("text"), weight: 2 },
    ];
    const { stages } = await plan(withLoras(ofReference(tinyUntil(256)), ...loras));
    const applied = stages.map((stage) =>
      "lora" in stage ? (stage.lora?.loras ?? []).map(({ file, weight }) => [file, weight]) : [],
    );
    expect(applied).toEqual([[[goldenLora("text"), 2]], loras.map(({ file, weight }) => [file, weight]), []]);
  });

  test("the one that is named", async () => {
    const request = withLoras(ofReference(tinyUntil(256)), { file: goldenLora("peft"), weight: 1, stage: "stage-2" });
    await expect(plan(request)).rejects.toThrow(/was not trained with the UNet of stage-2, where there is no layer "/);
  });

  test("one that fits two stages is refused until it is said which", async () => {
    const file = await writeLora({
      "unet.mid_block.attentions.0.to_q.lora_A.weight": filled([1, 16]),
      "unet.mid_block.attentions.0.to_q.lora_B.weight": filled([16, 1]),
    });
    const request = ofReference(tinyUntil(256));
    await expect(plan(withLoras(request, { file, weight: 1 }))).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringMatching(
        /fits stage-1 and stage-2; say which with --stage-1-lora or --stage-2-lora/,
      ) as string,
    });
    const { stages } = await plan(withLoras(request, { file, weight: 1, stage: "stage-2" }));
    expect(stages.map((stage) => "lora" in stage)).toEqual([false, false, true]);
  });

  test("one for another text encoder is refused", async () => {
    const file = await writeLora({
      "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight": filled([1, 16]),
      "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight": filled([16, 1]),
    });
    await expect(plan(withLoras(reference, { file, weight: 1 }))).rejects.toThrow(/a text encoder that is not .*T5/);
  });
});

describe("a checkpoint saved without T5", () => {
  async function withoutText(): Promise<string> {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "if-i"));
    for (const name of ["unet", "scheduler", "watermarker"]) {
      await symlink(goldenPath("checkpoints", "if-i", name), join(folder, "if-i", name));
    }
    return folder;
  }

  test("asks for the one that it was trained with, and takes it", async () => {
    const request = { ...reference, model: await withoutText() };
    await expect(plan(request)).rejects.toThrow(/if-i has no text_encoder: .*with --text-encoder-model\.$/);
    const text = goldenPath("checkpoints", "if-i");
    const { stages } = await plan({ ...request, textEncoderModel: text });
    expect(stages[0]).toMatchObject({ kind: "text", checkpoint: text });
  });
});

test("options name a file, a weight and a stage", () => {
  const { loras } = requestFromOptions("txt2img", {
    prompt: "a",
    lora: ["a:b.safetensors", "b:0.8"],
    stage2Lora: "c:-.5",
  });
  expect(loras).toEqual([
    { file: "a:b.safetensors", weight: 1 },
    { file: "b", weight: 0.8 },
    { file: "c", weight: -0.5, stage: "stage-2" },
  ]);
  expect(() => requestFromOptions("txt2img", { prompt: "a", lora: [] })).toThrow(/^lora must/);
});

test("an image tells its LoRAs; at weight 0 it is the image without", async () => {
  const withWeight = (weight: number): Request => withLoras(reference, { file: goldenLora("peft"), weight });
  const draws = async (request: Request) => (await draw([request], { pixels: true }))[0]?.images[0];
  const [plain, none, whole] = [await draws(reference), await draws(withWeight(0)), await draws(withWeight(0.5))];
  expect(none?.pixels).toEqual(plain?.pixels);
  expect(whole?.pixels).not.toEqual(plain?.pixels);
  const words = parsePngText(Buffer.from(whole?.png ?? [])).get("parameters");
  expect(words).toMatch(/, LoRA: "?peft\.safetensors:0\.5 [0-9a-f]{12}"?,/);
});
