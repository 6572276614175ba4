/** T5's embeddings, kept and given in place of T5: on the tiny checkpoints with the built program. */

import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { Tensor } from "../../src/math/tensor.ts";
import { neededLayout } from "../../src/plan/drawn-stages.ts";
import { findEmbeds } from "../../src/plan/embeds-file.ts";
import type { Request } from "../../src/plan/request.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { identityOf } from "../../src/run/save-embeds.ts";
import { readSafetensorsHeader, readTensorAsFloat32, writeSafetensors } from "../../src/weights/safetensors.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { goldenPath, storedVariant } from "../golden.ts";
import { expectNear, readCases, readResults, stageLimits } from "../pipelines/reference-case.ts";
import { plainRequest } from "../plan/plain-request.ts";
import { draw } from "./draw-tiny.ts";
import { tinyRequest } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

/** A cascade without T5: what needs it fails. */
async function withoutT5(model: string): Promise<string> {
  const folder = temporaryFolder();
  for (const name of ["if-ii", "x4-upscaler"]) await symlink(join(model, name), join(folder, name));
  await mkdir(join(folder, "if-i"));
  for (const name of ["unet", "scheduler", "watermarker"]) {
    await symlink(join(model, "if-i", name), join(folder, "if-i", name));
  }
  return folder;
}

const writeEmbeds = async (path: string, prompt: Tensor, negative: Tensor): Promise<string> => {
  const sourceOf = ({ data, shape }: Tensor) =>
    ({ dtype: "F32", shape, data: data as Float32Array<ArrayBuffer> }) as const;
  await writeSafetensors(
    path,
    new Map([
      ["prompt_embeds", sourceOf(prompt)],
      ["negative_prompt_embeds", sourceOf(negative)],
    ]),
  );
  return path;
};

test("diffusers' embeddings give diffusers' image, without T5", async () => {
  const stored = readCases().find(({ name }) => name === "if_basic")!;
  const results = await readResults(stored.name);
  const [prompt, negative, images] = await Promise.all(
    ["prompt_embeds", "negative_embeds", "images"].map((key) => results(key)),
  );
  const folder = temporaryFolder();
  const { args, seed } = stored.case;
  const request = requestFromOptions("txt2img", {
    model: await withoutT5(goldenPath("checkpoints")),
    variant: storedVariant,
    promptEmbeds: await writeEmbeds(join(folder, "given.safetensors"), prompt!, negative!),
    until: 64,
    seed,
    stage1Steps: args.num_inference_steps,
    stage1Guidance: args.guidance_scale,
    safety: "off",
    executionProvider: "cpu",
  });
  await draw([request], { saveStages: folder });
  const { path, tensors } = await readSafetensorsHeader(join(folder, "stage-1.safetensors"));
  const entry = tensors.get("stage-1")!;
  const made = { data: await readTensorAsFloat32(path, entry), shape: entry.shape };
  expectNear(made, images!, stageLimits(stored)[0]!, "stage 1");
});

test("what was kept of one run gives the next one the same pixels; the file says what it is of", async () => {
  const saveEmbeds = join(temporaryFolder(), "cat.safetensors");
  const request: Request = { ...tinyRequest, prompt: "a cat", negativePrompt: "a dog", positivePrompt: "a tail" };
  const { positivePrompt: _, ...plain } = request;
  const [first] = await draw([plain], { pixels: true });
  await draw([request], { saveEmbeds }); // whose positive prompt is a further row, which is not kept
  const model = await withoutT5(tinyRequest.model);
  const [again] = await draw([{ ...plain, model, promptEmbeds: saveEmbeds }], { pixels: true });
  expect(again?.images[0]?.pixels).toEqual(first?.images[0]?.pixels);
  const { metadata } = await readSafetensorsHeader(saveEmbeds);
  expect(Object.fromEntries(metadata)).toMatchObject({
    prompt: "a cat",
    negative_prompt: "a dog",
    text_encoder: "checkpoints/if-i",
    clean_caption: "true",
  });
  expect((await findEmbeds(saveEmbeds)).prompt_embeds.entry.shape[0]).toBe(1);
});

test("embeddings of another width, or words for T5 beside them, are refused while planning", async () => {
  const narrow: Tensor = { data: new Float32Array(77 * 5), shape: [1, 77, 5] };
  const promptEmbeds = await writeEmbeds(join(temporaryFolder(), "narrow.safetensors"), narrow, narrow);
  const refused = (changes: Partial<Request>): Promise<unknown> => draw([{ ...tinyRequest, promptEmbeds, ...changes }]);
  await expect(refused({})).rejects.toThrow(/its embeddings are 5 wide, but stage 1 of .* takes \d+\.$/);
  await expect(refused({ positivePrompt: "a" })).rejects.toThrow(/--positive-prompt is encoded by T5/);
  const upscale = { stages: ["stage-3" as const] };
  const lowResolution = goldenPath("image", "inputs", "square_24x24.png");
  await expect(refused({ command: "upscale", upscale, lowResolution })).rejects.toThrow(
    /no stage of this run takes them/,
  );
});

describe("what is fetched of a repository", () => {
  const foldersOf = (changes: Partial<Request>): string[] =>
    Object.keys(neededLayout("stage1", { ...plainRequest, ...changes })).sort();

  test("with embeddings no T5, to enlarge no UNet of stage 1", () => {
    const all = [
      "feature_extractor",
      "safety_checker",
      "scheduler",
      "text_encoder",
      "tokenizer",
      "unet",
      "watermarker",
    ];
    expect(foldersOf({})).toEqual(all);
    expect(foldersOf({ promptEmbeds: "x" })).toEqual(all.filter((name) => !name.startsWith("t")));
    expect(foldersOf({ upscale: { stages: ["stage-2"] } })).toEqual(all.filter((name) => !/^(unet|sched)/.test(name)));
  });
});

test("a text encoder is named by its repository and commit, or by its folder: by no path of a machine", () => {
  const cached = "/home/me/.cache/huggingface/hub/models--DeepFloyd--IF-I-XL-v1.0/snapshots/0123abcd";
  expect(identityOf(cached)).toBe("DeepFloyd/IF-I-XL-v1.0@0123abcd");
  expect(identityOf("/home/me/weights/if-i")).toBe("weights/if-i");
});
