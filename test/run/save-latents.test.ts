/** --save-latents with the built program on the tiny checkpoints. */

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { IfGenError } from "../../src/errors.ts";
import { isDraft } from "../../src/files/draft.ts";
import { latentsIn } from "../../src/run/save-latents.ts";
import { readSafetensorsHeader, readTensorAsFloat32 } from "../../src/weights/safetensors.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { draw, hashesOf } from "./draw-tiny.ts";
import { tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

async function readSample(path: string) {
  const { tensors, metadata } = await readSafetensorsHeader(path);
  const entry = tensors.get("sample")!;
  return { data: await readTensorAsFloat32(path, entry), shape: entry.shape, metadata: Object.fromEntries(metadata) };
}

const stepsOf = (stage: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${stage}-step-00${index + 1}.safetensors`);

test("each step of each stage is kept; the last is what the stage leaves, and the image is the same", async () => {
  const folder = temporaryFolder();
  const [saveLatents, saveStages] = [join(folder, "latents"), folder];
  const request = { ...tinyUntil(1024), numImages: 2 };
  const drawn = await draw([request], { saveLatents, saveStages });
  expect(readdirSync(saveLatents).sort()).toEqual(
    ["stage-1", "stage-2", "stage-3"].flatMap((name) => stepsOf(name, 2)),
  );
  const last = await readSample(join(saveLatents, "stage-1-step-002.safetensors"));
  expect(last.metadata).toMatchObject({ stage: "stage-1", step: "2", steps: "2", seed: "1" });
  const path = join(folder, "stage-1.safetensors");
  const entry = (await readSafetensorsHeader(path)).tensors.get("stage-1")!;
  expect(last.shape).toEqual(entry.shape);
  expect(last.shape[0]).toBe(2);
  expect(last.data).toEqual(await readTensorAsFloat32(path, entry));
  const [first, latents] = [
    await readSample(join(saveLatents, "stage-1-step-001.safetensors")),
    await readSample(join(saveLatents, "stage-3-step-001.safetensors")),
  ];
  expect(Number(first.metadata["timestep"])).toBeGreaterThan(Number(last.metadata["timestep"]));
  expect(latents.shape[1]).toBe(4);
  expect(hashesOf(drawn)).toEqual(hashesOf(await draw([request])));
});

test("of several jobs, also where they are drawn at once, each has its own", async () => {
  const saveLatents = temporaryFolder();
  const seeds = [1, 2, 3];
  await draw(
    seeds.map((seed) => ({ ...tinyUntil(64), seed })),
    { saveLatents },
  );
  expect(readdirSync(saveLatents).sort()).toEqual(
    seeds.flatMap((job) => stepsOf("stage-1", 2).map((name) => `job-${job}-${name}`)),
  );
  for (const seed of seeds) {
    const { metadata, shape } = await readSample(join(saveLatents, `job-${seed}-stage-1-step-002.safetensors`));
    expect(metadata).toMatchObject({ seed: String(seed) });
    expect(shape[0]).toBe(1);
  }
});

test("a run that goes on makes those of the unfinished stage again", async () => {
  const folder = temporaryFolder();
  const [runDir, saveLatents] = [join(folder, "run"), join(folder, "latents")];
  const request = tinyUntil(256);
  const reason = new IfGenError("INTERRUPTED", "enough");
  const controller = new AbortController();
  const onEvent = (event: { type: string; stage?: string; step?: number }): void => {
    if (event.type === "step" && event.stage === "stage-2" && event.step === 1) controller.abort(reason);
  };
  await expect(draw([request], { runDir, saveLatents, signal: controller.signal, onEvent })).rejects.toBe(reason);
  const resumed = await draw([request], { runDir, saveLatents, resume: true });
  const names = readdirSync(saveLatents);
  expect(names.filter(isDraft)).toEqual([]);
  expect(names.sort()).toEqual(["stage-1", "stage-2"].flatMap((name) => stepsOf(name, 2)));
  expect(hashesOf(resumed)).toEqual(hashesOf(await draw([request])));
});

describe("the folder", () => {
  test("of an earlier run is not written to", async () => {
    const saveLatents = temporaryFolder();
    writeFileSync(join(saveLatents, "stage-1-step-001.safetensors"), "");
    await expect(draw([tinyUntil(64)], { saveLatents })).rejects.toThrow(
      "holds stage-1-step-001.safetensors of an earlier run",
    );
  });

  test("names of jobs do not meet, also of plans with one job each", () => {
    expect(latentsIn(undefined, (job) => job, 2)).toBeUndefined();
    expect(latentsIn("/a", (job) => job, 1)?.(0)).toBe("/a/");
    expect(latentsIn("/a", (job) => job + 1, 1)?.(0)).toBe("/a/job-2-");
    expect(latentsIn("/a", (job) => job, 2)?.(0)).toBe("/a/job-1-");
  });
});
