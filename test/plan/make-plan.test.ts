import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { makePlan } from "../../src/plan/make-plan.ts";
import { diffusionStages, stepCount } from "../../src/plan/plan.ts";
import type { Request } from "../../src/plan/request.ts";
import { goldenPath, goldenSampleSize } from "../golden.ts";
import { plainRequest } from "./plain-request.ts";
import type { Model } from "../../src/plan/model.ts";

const folder = (name: string): string => goldenPath("checkpoints", name);
const model: Model = {
  name: "tiny",
  checkpoints: { stage1: folder("if-i"), stage2: folder("if-ii"), stage3: folder("x4-upscaler") },
  defaults: {
    stage1: { timesteps: "three", guidance: 7 },
    stage2: { steps: 50, guidance: 4, noiseLevel: 250 },
    stage3: { steps: 75, guidance: 9, noiseLevel: 20 },
    inpaint: { stage2: { steps: 10, guidance: 2, noiseLevel: 0, strength: 0.5 } },
  },
};
const presets = { three: [999, 500, 0] };
const request: Request = { ...plainRequest, model: "tiny", safety: "off" };
const sideTwo = goldenSampleSize("if-ii");
const drawn = sideTwo === 48 ? { width: 80, height: 48 } : { width: 48, height: 32 };
const picture = { image: "car.png", pasteBack: true };
const rectangle = { kind: "rectangle", x: 0, y: 0, width: 5, height: 5 } as const;
const mask = { file: "mask.png", shapes: [rectangle], invert: true };

describe("txt2img", () => {
  test("the model's settings, squares of the UNets' own size, 4 x", async () => {
    const plan = await makePlan(request, model, presets);
    expect(plan.stages).toEqual([
      { name: "text-encoding", checkpoint: folder("if-i"), cleanCaption: true },
      {
        name: "stage-1",
        checkpoint: folder("if-i"),
        selection: { timesteps: [999, 500, 0] },
        preset: "three",
        guidanceScale: 7,
        width: goldenSampleSize("if-i"),
        height: goldenSampleSize("if-i"),
      },
      {
        name: "stage-2",
        checkpoint: folder("if-ii"),
        selection: { numInferenceSteps: 50 },
        guidanceScale: 4,
        noiseLevel: 250,
        width: goldenSampleSize("if-ii"),
        height: goldenSampleSize("if-ii"),
      },
      {
        name: "stage-3",
        checkpoint: folder("x4-upscaler"),
        selection: { numInferenceSteps: 75 },
        guidanceScale: 9,
        noiseLevel: 20,
        width: 4 * goldenSampleSize("if-ii"),
        height: 4 * goldenSampleSize("if-ii"),
      },
    ]);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test("the command line's word comes first; steps take the place of timesteps", async () => {
    const asked = { ...request, until: 256, stage1: { steps: 4, guidance: 1 }, stage2: { noiseLevel: 0 } } as const;
    const [first, second] = diffusionStages(await makePlan(asked, model, presets));
    expect(first).toMatchObject({ selection: { numInferenceSteps: 4 }, guidanceScale: 1 });
    expect(first).not.toHaveProperty("preset");
    expect(second).toMatchObject({ noiseLevel: 0, guidanceScale: 4 });
  });
});

describe("img2img and inpaint", () => {
  test("sizes of the picture's shape, strengths and settings of the command, or of txt2img where it has none", async () => {
    const asked = { ...request, command: "inpaint", picture: { ...picture, mask } } as const;
    const size = sideTwo === 48 ? { width: 75, height: 50 } : { width: 83, height: 61 };
    const plan = await makePlan(asked, model, presets, size);
    const [first, second, third] = diffusionStages(plan);
    const start = { image: resolve("car.png"), mask: { ...mask, file: resolve("mask.png") } };
    expect(first).toMatchObject({ width: 32, height: 24, guidanceScale: 7, start: { ...start, strength: 1 } });
    expect(second).toMatchObject({ ...drawn, guidanceScale: 2, start: { ...start, strength: 0.5 } });
    expect(third).toMatchObject({ width: 4 * drawn.width, height: 4 * drawn.height });
    expect(third).not.toHaveProperty("start");
    expect(plan.pasteBack).toEqual(start);
    expect(plan.notes[0]).toContain(
      sideTwo === 48 ? "stage 2 draws 80x48, not 72x48" : "stage 2 draws 48x32, not 40x32",
    );
  });

  test("img2img pastes nothing back, and nothing is where --no-paste-back says so", async () => {
    const size = { width: 50, height: 50 };
    const plain = await makePlan({ ...request, command: "img2img", picture }, model, presets, size);
    expect(plain).not.toHaveProperty("pasteBack");
    expect(diffusionStages(plain).map(({ start }) => start?.strength)).toEqual([0.7, 0.8, undefined]);
    const kept = { ...request, command: "inpaint", picture: { ...picture, mask, pasteBack: false } } as const;
    expect(await makePlan(kept, model, presets, size)).not.toHaveProperty("pasteBack");
  });

  test("a strength is a share of the steps, rounded down, and must leave one", async () => {
    const asked = (strength: number): Request => ({
      ...request,
      command: "img2img",
      picture,
      until: 64,
      stage1: { strength },
    });
    const size = { width: 50, height: 50 };
    const [stage] = diffusionStages(await makePlan(asked(0.99), model, presets, size));
    expect(stage && stepCount(stage)).toBe(2);
    await expect(makePlan(asked(0.33), model, presets, size)).rejects.toThrow(/none of the 3 steps of stage 1/);
    await expect(makePlan(asked(0.5), model, presets, { width: 500, height: 2 })).rejects.toThrow(/too narrow/);
  });
});

describe("safety", () => {
  test("a stage of its own where the checkpoint has a checker, unless it is off", async () => {
    const { safety: _, ...silent } = request;
    const last = async (asked: Request): Promise<unknown> => (await makePlan(asked, model, presets)).stages.at(-1);
    const stage = { name: "safety", checkpoint: folder("if-i"), of: { name: "stage-1", checkpoint: folder("if-i") } };
    expect(await last({ ...silent, until: 64 })).toEqual({ ...stage, action: "black" });
    expect(await last({ ...request, until: 64, safety: "blur" })).toEqual({ ...stage, action: "blur" });
    expect(await last({ ...request, until: 64 })).toMatchObject({ name: "stage-1" });
  });

  test("no checker: no stage, and a note only for who asked for one", async () => {
    const bare = mkdtempSync(join(tmpdir(), "if-gen-test-"));
    onTestFinished(() => rmSync(bare, { recursive: true }));
    mkdirSync(join(bare, "unet"));
    cpSync(join(folder("if-i"), "unet", "config.json"), join(bare, "unet", "config.json"));
    const without = { ...model, checkpoints: { ...model.checkpoints, stage1: bare } };
    const { safety: _, ...silent } = { ...request, until: 64 as const };
    mkdirSync(join(bare, "watermarker"));
    expect(await makePlan(silent, without, presets)).toMatchObject({ stages: [{}, { name: "stage-1" }], notes: [] });
    const asked = await makePlan({ ...silent, safety: "black" }, without, presets);
    expect(asked.notes).toEqual([expect.stringMatching(/tiny has no safety checker/)]);
    rmSync(join(bare, "watermarker"), { recursive: true });
    const unmarked = await makePlan(silent, without, presets);
    expect(unmarked).toMatchObject({ watermark: false, notes: [expect.stringMatching(/tiny has no watermark/)] });
  });
});

describe("notes on the licence", () => {
  const notesOf = async (changes: Partial<Request>, name = "tiny"): Promise<readonly string[]> =>
    (await makePlan({ ...request, safety: "black", ...changes }, { ...model, name }, presets)).notes;

  test("once per protection that is left out, and never for the demo", async () => {
    expect(await notesOf({})).toEqual([]);
    expect(await notesOf({ watermark: false })).toEqual([
      expect.stringMatching(/^--no-watermark: DeepFloyd's licence/),
    ]);
    expect(await notesOf({ safety: "off" })).toEqual([expect.stringMatching(/^--safety off: DeepFloyd's licence/)]);
    expect(await notesOf({ watermark: false, safety: "off" }, "demo")).toEqual([]);
    expect(await notesOf({ watermark: false }, "demo + DeepFloyd/IF-II-M-v1.0")).toHaveLength(1);
  });
});

describe("refusals", () => {
  const refuse = (changes: Partial<Request>): Promise<unknown> => makePlan({ ...request, ...changes }, model, presets);

  test("presets, two choices of steps, noise levels, checkpoints that are not there", async () => {
    await expect(refuse({ stage2: { timesteps: "four" } })).rejects.toThrow(/--stage-2-timesteps: four .* three/);
    await expect(refuse({ stage1: { timesteps: "three", steps: 3 } })).rejects.toThrow(/exclude each other/);
    await expect(refuse({ stage3: { noiseLevel: 351 } })).rejects.toThrow(/at most 350, not 351/);
    const gone = { ...model, checkpoints: { ...model.checkpoints, stage3: folder("nowhere") } };
    await expect(makePlan(request, gone, presets)).rejects.toThrow(/nowhere is missing/);
    await expect(makePlan({ ...request, until: 256 }, gone, presets)).resolves.toBeDefined();
  });
});
