import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { Model } from "../../src/plan/model.ts";
import { type DiffusionStage, type PlannedRun, diffusionStages } from "../../src/plan/plan.ts";
import { readCheckpoints } from "../../src/plan/read-checkpoints.ts";
import type { Request, StageRequest } from "../../src/plan/request.ts";
import type { Size } from "../../src/plan/stage-size.ts";
import { presetTimesteps } from "../../src/schedulers/timesteps.ts";
import { goldenPath, goldenSampleSize } from "../golden.ts";
import { plainRequest } from "./plain-request.ts";

const folder = (name: string): string => goldenPath("checkpoints", name);
const model: Model = {
  name: "tiny",
  isOwn: false,
  text: folder("if-i"),
  checkpoints: { stage1: folder("if-i"), stage2: folder("if-ii"), stage3: folder("x4-upscaler") },
  defaults: {
    stage1: { timesteps: "fast27", guidance: 7 },
    stage2: { steps: 50, guidance: 4, noiseLevel: 250 },
    stage3: { steps: 75, guidance: 9, noiseLevel: 20 },
    inpaint: { stage2: { steps: 10, guidance: 2, noiseLevel: 0, strength: 0.5 } },
  },
};
const request: Request = { ...plainRequest, model: "tiny", safety: "off" };
const sideTwo = goldenSampleSize("if-ii");
const drawn = sideTwo === 48 ? { width: 80, height: 48 } : { width: 48, height: 32 };
const start = { image: "car.png", pasteBack: true };
const rectangle = { kind: "rectangle", x: 0, y: 0, width: 5, height: 5 } as const;
const mask = { file: "mask.png", shapes: [rectangle], invert: true };

/** @param image size of the image that the requests start from. */
async function plan(requests: readonly [Request, ...Request[]], from = model, image?: Size): Promise<PlannedRun> {
  return makePlan(requests, from, await readCheckpoints(from, requests[0]), image);
}

describe("txt2img", () => {
  test("the model's settings, squares of the UNets' own size, 4 x", async () => {
    const planned = await plan([request]);
    expect(planned.stages).toEqual([
      { kind: "text", name: "text-encoding", checkpoint: folder("if-i"), cleanCaption: true },
      {
        kind: "diffusion",
        name: "stage-1",
        checkpoint: folder("if-i"),
        selection: { timesteps: presetTimesteps("fast27") },
        preset: "fast27",
        scheduler: "DDPMScheduler",
        sampler: "DDPM",
        steps: 27,
        guidanceScale: 7,
        width: goldenSampleSize("if-i"),
        height: goldenSampleSize("if-i"),
      },
      {
        kind: "diffusion",
        name: "stage-2",
        checkpoint: folder("if-ii"),
        selection: { numInferenceSteps: 50 },
        scheduler: "DDPMScheduler",
        sampler: "DDPM",
        steps: 50,
        guidanceScale: 4,
        noiseLevel: 250,
        width: goldenSampleSize("if-ii"),
        height: goldenSampleSize("if-ii"),
      },
      {
        kind: "diffusion",
        name: "stage-3",
        checkpoint: folder("x4-upscaler"),
        selection: { numInferenceSteps: 75 },
        scheduler: "DDIMScheduler",
        sampler: "DDIM",
        steps: 75,
        guidanceScale: 9,
        noiseLevel: 20,
        width: 4 * goldenSampleSize("if-ii"),
        height: 4 * goldenSampleSize("if-ii"),
      },
    ]);
    expect(JSON.parse(JSON.stringify(planned))).toEqual(planned);
  });

  test("the command line's word comes first; steps take the place of timesteps", async () => {
    const stages = { "stage-1": { steps: 4, guidance: 1 }, "stage-2": { noiseLevel: 0 } };
    const [first, second] = diffusionStages(await plan([{ ...request, until: 256, stages }]));
    expect(first).toMatchObject({ selection: { numInferenceSteps: 4 }, steps: 4, guidanceScale: 1 });
    expect(first).not.toHaveProperty("preset");
    expect(second).toMatchObject({ noiseLevel: 0, guidanceScale: 4 });
  });

  test("a job for each request, in order; the stages are planned once for all", async () => {
    const other: Request = { ...request, prompt: "a dog", negativePrompt: "a cat", seed: 2 };
    const planned = await plan([request, other]);
    expect(planned.jobs).toEqual([
      { prompt: "a cat", negativePrompt: "", seed: 1 },
      { prompt: "a dog", negativePrompt: "a cat", seed: 2 },
    ]);
    expect(planned.stages).toEqual((await plan([request])).stages);
  });
});

describe("img2img and inpaint", () => {
  test("sizes of the image's shape, strengths and settings of the command, or of txt2img where it has none", async () => {
    const size = sideTwo === 48 ? { width: 75, height: 50 } : { width: 83, height: 61 };
    const planned = await plan([{ ...request, command: "inpaint", start: { ...start, mask } }], model, size);
    const [first, second, third] = diffusionStages(planned);
    expect(first).toMatchObject({ width: 32, height: 24, guidanceScale: 7, strength: 1, steps: 27 });
    expect(second).toMatchObject({ ...drawn, guidanceScale: 2, strength: 0.5, steps: 5 });
    expect(third).toMatchObject({ width: 4 * drawn.width, height: 4 * drawn.height });
    expect(third).not.toHaveProperty("strength");
    const absolute = { image: resolve("car.png"), mask: { ...mask, file: resolve("mask.png") }, pasteBack: true };
    expect(planned.jobs.map((job) => job.start)).toEqual([absolute]);
    expect(planned.notes[0]).toContain(
      sideTwo === 48 ? "stage 2 draws 80x48, not 72x48" : "stage 2 draws 48x32, not 40x32",
    );
  });

  test("img2img pastes nothing back, and nothing is where --no-paste-back says so", async () => {
    const size = { width: 50, height: 50 };
    const plain = await plan([{ ...request, command: "img2img", start }], model, size);
    expect(plain.jobs[0]?.start).toEqual({ image: resolve("car.png"), pasteBack: false });
    expect(diffusionStages(plain).map(({ strength }) => strength)).toEqual([0.7, 0.8, undefined]);
    const kept: Request = { ...request, command: "inpaint", start: { ...start, mask, pasteBack: false } };
    expect((await plan([kept], model, size)).jobs[0]?.start?.pasteBack).toBe(false);
  });

  test("a strength is a share of the steps, rounded down, and must leave one", async () => {
    const withStrength = (strength: number): [Request] => [
      {
        ...request,
        command: "img2img",
        start,
        until: 64,
        stages: { "stage-1": { timesteps: [999, 500, 0], strength } },
      },
    ];
    const size = { width: 50, height: 50 };
    const [stage] = diffusionStages(await plan(withStrength(0.99), model, size));
    expect(stage?.steps).toBe(2);
    await expect(plan(withStrength(0.33), model, size)).rejects.toThrow(/none of the 3 steps of stage 1/);
    await expect(plan(withStrength(0.5), model, { width: 500, height: 2 })).rejects.toThrow(/too narrow/);
  });

  test("steps are counted in the scheduler's own order: Heun runs the network twice for all timesteps but one", async () => {
    const heun = mkdtempSync(join(tmpdir(), "if-gen-test-"));
    onTestFinished(() => rmSync(heun, { recursive: true }));
    cpSync(join(folder("if-i"), "unet", "config.json"), join(heun, "unet", "config.json"), { recursive: true });
    mkdirSync(join(heun, "scheduler"));
    writeFileSync(
      join(heun, "scheduler", "scheduler_config.json"),
      JSON.stringify({ _class_name: "HeunDiscreteScheduler", beta_schedule: "squaredcos_cap_v2" }),
    );
    const withHeun = { ...model, checkpoints: { ...model.checkpoints, stage1: heun } };
    const stages = { "stage-1": { steps: 10, strength: 0.75 } };
    const stageOf = async (changes: Partial<Request>, size?: Size): Promise<unknown> =>
      diffusionStages(await plan([{ ...request, until: 64, stages, ...changes }], withHeun, size))[0];
    expect(await stageOf({})).toMatchObject({ scheduler: "HeunDiscreteScheduler", steps: 19 });
    expect(await stageOf({ command: "img2img", start }, { width: 50, height: 50 })).toMatchObject({ steps: 13 });
  });
});

describe("schedulers and respacing", () => {
  const stageOf = async (stage: StageRequest, changes: Partial<Request> = {}): Promise<DiffusionStage> =>
    diffusionStages(await plan([{ ...request, until: 64, stages: { "stage-1": stage }, ...changes }]))[0]!;

  test("another scheduler on the checkpoint's noise schedule, with what wins over its file", async () => {
    expect(await stageOf({ scheduler: "dpm++2m-sde", steps: 9 })).toMatchObject({
      scheduler: "DPMSolverMultistepScheduler",
      schedulerKeys: { algorithmType: "sde-dpmsolver++", solverOrder: 2 },
      sampler: "DPM++ 2M SDE",
      steps: 9,
    });
    expect(await stageOf({ scheduler: "heun", steps: 9 })).toMatchObject({
      scheduler: "HeunDiscreteScheduler",
      schedulerKeys: { useClippedModelOutput: true, timestepSpacing: "leading" },
      sampler: "Heun",
      steps: 17,
    });
    expect(await stageOf({ scheduler: "ddpm" })).toEqual(await stageOf({}));
  });

  test("the model's preset is for DDPM and DDIM; others take as many steps", async () => {
    expect(await stageOf({ scheduler: "ddim" })).toMatchObject({ preset: "fast27", steps: 27 });
    const unipc = await stageOf({ scheduler: "unipc" });
    expect(unipc).toMatchObject({ selection: { numInferenceSteps: 27 }, steps: 27 });
    expect(unipc).not.toHaveProperty("preset");
    expect(await stageOf({ scheduler: "unipc", timesteps: "smart50" })).toMatchObject({ preset: "smart50", steps: 50 });
  });

  test("the original's respacing", async () => {
    expect(await stageOf({ respacing: "2,1" })).toMatchObject({
      selection: { timesteps: [500, 499, 0] },
      preset: "2,1",
      steps: 3,
    });
    await expect(stageOf({ respacing: "ddim333" })).rejects.toThrow(/^--stage-1-respacing: ddim333: no whole stride/);
    await expect(stageOf({ respacing: "5", steps: 5 })).rejects.toThrow(
      /--stage-1-steps and --stage-1-respacing exclude/,
    );
  });

  test("Heun's method does not start where hardly anything but noise is", async () => {
    await expect(stageOf({ scheduler: "heun", timesteps: "smart27" })).rejects.toThrow(
      /heun cannot start stage 1 at timestep 999.*from 995 down/,
    );
    expect(await stageOf({ scheduler: "heun", timesteps: [995, 500, 0] })).toMatchObject({ steps: 5 });
    const kept = { command: "img2img", start } as const;
    const image = { width: 50, height: 50 };
    const stages = { "stage-1": { scheduler: "heun", timesteps: "smart27", strength: 0.5 } } as const;
    expect(diffusionStages(await plan([{ ...request, ...kept, until: 64, stages }], model, image))[0]).toMatchObject({
      steps: 25,
    });
  });
});

describe("guidance and thresholding", () => {
  const planOf = (stages: Request["stages"], changes: Partial<Request> = {}): Promise<PlannedRun> =>
    plan([{ ...request, until: 256, stages, ...changes }]);

  test("nothing of it unless it is asked for", async () => {
    const keys = ["positiveMixer", "guidanceRescale", "guidanceInterval", "negativePrompt", "schedulerKeys"];
    const [first] = diffusionStages(await planOf({ "stage-1": { guidanceRescale: 0 } }));
    for (const key of keys) expect(first).not.toHaveProperty(key);
  });

  test("a positive prompt is mixed into guided stages, by the original's shares or the request's", async () => {
    const positivePrompt = "sharp";
    const made = await planOf({ "stage-2": { positiveMixer: 0.1 } }, { positivePrompt });
    expect(diffusionStages(made).map(({ positiveMixer }) => positiveMixer)).toEqual([0.25, 0.1]);
    expect(made.jobs).toMatchObject([{ positivePrompt }]);
    const off = await planOf({ "stage-1": { guidance: 1 }, "stage-2": { guidance: 1 } }, { positivePrompt });
    expect(off.notes).toContainEqual(expect.stringMatching(/positive prompt has no effect/));
    await expect(planOf({ "stage-1": { positiveMixer: 1 } })).rejects.toThrow(/mixer needs --positive-prompt/);
    const all = { "stage-3": { positiveMixer: 1 } } as const;
    await expect(plan([{ ...request, positivePrompt, stages: all }])).rejects.toThrow(/stage-3 mixes no positive/);
  });

  test("negative prompts of stages are embedded in rows after the jobs' own", async () => {
    const made = await plan([
      { ...request, stages: { "stage-2": { negativePrompt: "blur" }, "stage-3": { negativePrompt: "noise" } } },
    ]);
    expect(made.stages[0]).toMatchObject({ stageNegativePrompts: ["blur"] });
    expect(diffusionStages(made).map((one) => [one.negativePrompt, one.negativeRow])).toEqual([
      [undefined, undefined],
      ["blur", 1],
      ["noise", undefined], // CLIP encodes it, in its own stage
    ]);
  });

  test("thresholding of the run, which latents do not take", async () => {
    const [first] = diffusionStages(await planOf({ "stage-1": { thresholdingP: 0.9, thresholdingC: 3 } }));
    expect(first?.schedulerKeys).toMatchObject({
      thresholding: true,
      dynamicThresholdingRatio: 0.9,
      sampleMaxValue: 3,
    });
    const latents = { "stage-3": { thresholdingC: 2 } } as const;
    await expect(plan([{ ...request, stages: latents }])).rejects.toThrow(/stage-3 draws latents/);
  });
});

describe("safety", () => {
  test("a stage of its own where the checkpoint has a checker, unless it is off", async () => {
    const { safety: _, ...silent } = request;
    const last = async (only: Request): Promise<unknown> => (await plan([only])).stages.at(-1);
    const stage = {
      kind: "safety",
      name: "safety",
      checkpoint: folder("if-i"),
      of: { name: "stage-1", checkpoint: folder("if-i") },
    };
    expect(await last({ ...silent, until: 64 })).toEqual({ ...stage, action: "black" });
    expect(await last({ ...request, until: 64, safety: "blur" })).toEqual({ ...stage, action: "blur" });
    expect(await last({ ...request, until: 64 })).toMatchObject({ name: "stage-1" });
  });

  test("no checker: no stage, and a note that says so, but of the demo only for who asked for one", async () => {
    const bare = mkdtempSync(join(tmpdir(), "if-gen-test-"));
    onTestFinished(() => rmSync(bare, { recursive: true }));
    for (const file of [join("unet", "config.json"), join("scheduler", "scheduler_config.json")]) {
      cpSync(join(folder("if-i"), file), join(bare, file), { recursive: true });
    }
    const without = { ...model, text: bare, checkpoints: { ...model.checkpoints, stage1: bare } };
    const { safety: _, ...silent } = { ...request, until: 64 as const };
    mkdirSync(join(bare, "watermarker"));
    const says = [expect.stringMatching(/^tiny has no safety checker; images are not looked at/)];
    expect(await plan([silent], without)).toMatchObject({ stages: [{}, { name: "stage-1" }], notes: says });
    expect(await plan([silent], { ...without, isOwn: true })).toMatchObject({ notes: [] });
    expect(await plan([{ ...silent, safety: "off" }], without)).toMatchObject({ notes: [] });
    const black = await plan([{ ...silent, safety: "black" }], without);
    expect(black.notes).toEqual([expect.stringMatching(/tiny has no safety checker/)]);
    rmSync(join(bare, "watermarker"), { recursive: true });
    const unmarked = await plan([{ ...silent, safety: "off" }], without);
    expect(unmarked).toMatchObject({ watermark: false, notes: [expect.stringMatching(/tiny has no watermark/)] });
  });
});

describe("notes on the licence", () => {
  const notesOf = async (changes: Partial<Request>, isOwn = false): Promise<readonly string[]> =>
    (await plan([{ ...request, safety: "black", ...changes }], { ...model, isOwn })).notes;

  test("once per protection that is left out, and never for the program's own model", async () => {
    expect(await notesOf({})).toEqual([]);
    expect(await notesOf({ watermark: false })).toEqual([
      expect.stringMatching(/^--no-watermark: DeepFloyd's licence/),
    ]);
    expect(await notesOf({ safety: "off" })).toEqual([expect.stringMatching(/^--safety off: DeepFloyd's licence/)]);
    expect(await notesOf({ watermark: false, safety: "off" }, true)).toEqual([]);
  });
});

describe("refusals", () => {
  const refuse = (stages: Request["stages"]): Promise<unknown> => plan([{ ...request, stages }]);

  test("presets, two choices of steps, noise levels, checkpoints that are not there", async () => {
    await expect(refuse({ "stage-2": { timesteps: "four" } })).rejects.toThrow(/--stage-2-timesteps: four .* fast27/);
    await expect(refuse({ "stage-1": { timesteps: "fast27", steps: 3 } })).rejects.toThrow(/exclude each other/);
    await expect(refuse({ "stage-3": { noiseLevel: 351 } })).rejects.toThrow(/at most 350, not 351/);
    await expect(refuse({ "stage-1": { noiseLevel: 1 } })).rejects.toThrow(/stage-1 enlarges no image/);
    const gone = { ...model, checkpoints: { ...model.checkpoints, stage3: folder("nowhere") } };
    await expect(plan([request], gone)).rejects.toThrow(/nowhere is missing/);
    await expect(plan([{ ...request, until: 256 }], gone)).resolves.toBeDefined();
  });
});
