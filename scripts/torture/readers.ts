/** What reads each foreign format, as the program does: by name, so that a child process can be told which. */

import { join } from "node:path";
import { z } from "zod";
import { parseClipFeatureConfig } from "../../src/image/clip-features.ts";
import { readPngText } from "../../src/image/png-text.ts";
import { readImage, readMask } from "../../src/image/read-image.ts";
import { preprocessCaption } from "../../src/tokenizers/clean-caption.ts";
import { createClipTokenizer } from "../../src/tokenizers/clip-tokenizer.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readComponentConfig } from "../../src/weights/component-config.ts";
import { readJson } from "../../src/weights/file.ts";
import { readFile } from "node:fs/promises";

const prompt = 'a photo of a red cat, "OPEN" in neon style <extra_id_0> café';

const anyConfig = z.strictObject({ sample_size: z.number().default(64), layers: z.array(z.int()).default([]) });

/** @param folder holds the damaged file among what belongs to it. */
export type Reader = (folder: string, file: string) => Promise<unknown>;

export const readers: Readonly<Record<string, Reader>> = {
  weights: (folder) => openWeights(folder),
  config: (folder, file) => readComponentConfig(folder, anyConfig, { file }),
  preprocessor: async (folder, file) => parseClipFeatureConfig(await readJson(join(folder, file))),
  t5: async (folder) => (await createT5Tokenizer(folder)).encode(prompt, 77),
  clip: async (folder) => (await createClipTokenizer(folder)).encode(prompt, 77),
  image: (folder, file) => readImage(join(folder, file)),
  mask: (folder, file) => readMask(join(folder, file)),
  pngText: (folder, file) => readPngText(join(folder, file)),
  tokenizerJson: async (folder) => {
    const results = await Promise.allSettled([createT5Tokenizer(folder), createClipTokenizer(folder)]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  },
  t5Prompt: async (folder, file) =>
    (await createT5Tokenizer(folder)).encode(await readFile(join(folder, file), "utf8"), 77),
  clipPrompt: async (folder, file) =>
    (await createClipTokenizer(folder)).encode(await readFile(join(folder, file), "utf8"), 77),
  prompt: async (folder, file) => {
    const text = await readFile(join(folder, file), "utf8");
    return [preprocessCaption(text, { cleanCaption: false }), preprocessCaption(text, { cleanCaption: true })];
  },
};
