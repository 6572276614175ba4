import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { findEmbeds, sizeOfEmbeds } from "../../src/plan/embeds-file.ts";
import { type TensorSource, writeSafetensors } from "../../src/weights/safetensors.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

function embeds(shape: readonly number[], dtype: "F32" | "F16" | "I32" = "F32"): TensorSource {
  const length = shape.reduce((product, side) => product * side, 1);
  const data = { F32: new Float32Array(length), F16: new Uint16Array(length), I32: new Int32Array(length) }[dtype];
  return { dtype, shape, data };
}

async function write(tensors: Readonly<Record<string, TensorSource>>, name = "embeds", folder = temporaryFolder()) {
  const path = join(folder, `${name}.safetensors`);
  await writeSafetensors(path, new Map(Object.entries(tensors)));
  return path;
}

test("both in one file; of several parts, and in float16", async () => {
  const path = await write({ prompt_embeds: embeds([1, 154, 8], "F16"), negative_prompt_embeds: embeds([1, 154, 8]) });
  const found = await findEmbeds(path);
  expect([found.prompt_embeds.path, found.negative_prompt_embeds.path]).toEqual([path, path]);
  expect(sizeOfEmbeds(found)).toEqual({ parts: 2, width: 8 });
});

test("the negative one beside it, as run folders keep them", async () => {
  const folder = temporaryFolder();
  const shape = [1, 77, 8];
  const path = await write({ prompt_embeds: embeds(shape) }, "prompt_embeds", folder);
  await expect(findEmbeds(path)).rejects.toThrow(/holds no negative_prompt_embeds, and there is no .*; guidance needs/);
  const negative = await write({ negative_prompt_embeds: embeds(shape) }, "negative_prompt_embeds", folder);
  expect((await findEmbeds(path)).negative_prompt_embeds.path).toBe(negative);
});

test.each([
  [{ other: embeds([1]) }, /holds no prompt_embeds/],
  [
    { prompt_embeds: embeds([77, 8]), negative_prompt_embeds: embeds([77, 8]) },
    /is \[77, 8\], but one text's is \[1, 77, width\]/,
  ],
  [{ prompt_embeds: embeds([2, 77, 8]), negative_prompt_embeds: embeds([2, 77, 8]) }, /is \[2, 77, 8\]/],
  [{ prompt_embeds: embeds([1, 60, 8]), negative_prompt_embeds: embeds([1, 60, 8]) }, /is \[1, 60, 8\]/],
  [
    { prompt_embeds: embeds([1, 77, 8], "I32"), negative_prompt_embeds: embeds([1, 77, 8]) },
    /holds I32, but embeddings are floats/,
  ],
  [{ prompt_embeds: embeds([1, 77, 8]), negative_prompt_embeds: embeds([1, 77, 9]) }, /both are of one shape/],
])("%# is refused in a sentence", async (tensors, words) => {
  await expect(findEmbeds(await write(tensors))).rejects.toThrow(
    expect.objectContaining({ name: UsageError.name, message: expect.stringMatching(words) as string }),
  );
});

test("what is no safetensors file, or not there", async () => {
  const path = join(temporaryFolder(), "x.safetensors");
  await expect(findEmbeds(path)).rejects.toThrow(/^--prompt-embeds .*x\.safetensors/);
  await writeFile(path, "bitten");
  await expect(findEmbeds(path)).rejects.toThrow(UsageError);
});
