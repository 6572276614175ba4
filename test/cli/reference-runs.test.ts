/** The reference's runs through the program itself, a process per stage: every tensor it keeps, and the image. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readImage } from "../../src/image/read-image.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { readSafetensorsHeader, readTensorAsFloat32 } from "../../src/weights/safetensors.ts";
import { goldenPath } from "../golden.ts";
import {
  type ReferenceCase,
  expectNear,
  readCases,
  readResults,
  shareOfDifferent,
  stageLimits,
} from "../pipelines/reference-case.ts";
import { commandLineOf, isSayable } from "./command-line.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const cases = readCases();
/** test/pipelines/e2e.test.ts runs all of them without the command line, which is what these are about. */
const sample: readonly string[] = ["if_dpmsolver", "img2img_custom_timesteps", "inpaint_strength_multi"];
const isFullSet = process.env["IF_GEN_GOLDEN"] !== undefined;

describe("the source blog's chains, one generator through all stages", () => {
  const chains = cases.filter(({ name }) => name.startsWith("chain_blog"));
  test("there are some", () => expect(chains.length).toBeGreaterThan(0));
  test.each(chains.map((stored) => [stored.name, stored] as const))("%s", (_, stored) => compare(stored));
});

describe("single calls", () => {
  const calls = cases.filter(isSayable).filter(({ name }) => isFullSet || sample.includes(name));
  test("there are some", () => expect(calls.length).toBeGreaterThan(0));
  test.each(calls.map((stored) => [stored.name, stored] as const))("%s", (_, stored) => compare(stored));
});

async function compare(stored: ReferenceCase): Promise<void> {
  const folder = temporaryFolder();
  const output = join(folder, "out.png");
  const words = await commandLineOf(stored, folder);
  const { code, stderr } = await runCli([...words, "--output", output, "--save-stages", folder, "--quiet"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const results = await readResults(stored.name);
  for (const [index, limits] of stageLimits(stored).entries()) {
    const expected = await results(stored.stages ? `stage${index + 1}.images` : "images");
    if (!expected) throw new Error(`${stored.name}: no images of stage ${index + 1} are stored`);
    const made = await readStageFile(folder, `stage-${index + 1}`);
    expect(made.shape).toEqual(expected.shape);
    expectNear(made, expected, limits, `stage ${index + 1}`);
  }
  for (const [index, file] of (stored.pil?.files ?? []).entries()) {
    const path = stored.pil?.files.length === 1 ? output : join(folder, `out-${index + 1}.png`);
    const expected = await readImage(goldenPath("e2e", file));
    expect(shareOfDifferent(await readImage(path), expected), file).toBeLessThanOrEqual(0.005);
  }
}

async function readStageFile(folder: string, name: string): Promise<Tensor> {
  const file = await readSafetensorsHeader(join(folder, `${name}.safetensors`));
  const entry = file.tensors.get(name);
  if (!entry) throw new Error(`${file.path} does not hold ${name}`);
  return { data: await readTensorAsFloat32(file.path, entry), shape: entry.shape };
}
