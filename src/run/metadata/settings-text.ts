/**
 * @module run/metadata/settings-text
 * What an image is drawn from again, as the text that its file carries: the request, the low-memory modes (other ones give
 * other pixels) and what the files were that it started from.
 */

import { resolve } from "node:path";
import { z } from "zod";
import { InputImageError } from "../../errors.ts";
import { hashFile } from "../../files/hash-file.ts";
import { parseJson } from "../../files/json.ts";
import { type Plan, lowMemorySchema } from "../../plan/plan.ts";
import { type Request, requestSchema } from "../../plan/request.ts";
import { stageNames } from "../../plan/stages.ts";
import { findLoraFile } from "../../weights/lora/read-lora.ts";
import { type NamedInput, inputFiles, inputOptions } from "./input-files.ts";

/** A file that the image was drawn from, by the option that names it. */
const input = z.strictObject({
  option: z.enum(inputOptions),
  path: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type InputFile = z.infer<typeof input>;
const inputs = z.array(input).max(64);

const imageSettings = z.strictObject({
  /** Of the program. */
  version: z.string(),
  request: requestSchema,
  lowMemory: z.partialRecord(z.enum(stageNames), lowMemorySchema),
  inputs,
});
export type ImageSettings = z.infer<typeof imageSettings>;

function formatSettings(request: Request, { version, lowMemory }: Plan, files: InputFile[]): string {
  const settings = { version, request, lowMemory, inputs: files } satisfies ImageSettings;
  return JSON.stringify(imageSettings.parse(settings)); // keys in one order, also of a request that was read from a file
}

const limits = { maxBytes: 4_000_000, maxDepth: 16, maxValues: 20_000 };

/**
 * @param image its path, for the error.
 * @throws {InputImageError} it is no text of this program, or of a version with other options.
 */
export function parseSettings(text: string, image: string): ImageSettings {
  const json = parseJson(Buffer.from(text), limits, `the metadata of ${image}`, InputImageError);
  const parsed = imageSettings.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new InputImageError(
    `the metadata of ${image} is damaged, or of a version of if-gen that has other options; if-gen show prints what can be read.`,
    { cause: parsed.error },
  );
}

/**
 * @returns of each request the text that its images carry.
 * @throws {InputImageError} what one starts from cannot be read.
 */
export async function settingsTexts(requests: readonly Request[], plan: Plan): Promise<string[]> {
  const hashes = plannedHashes(plan); // many requests may start from one file
  const fileOf = async ({ option, path: named }: NamedInput): Promise<InputFile> => {
    const path = option === "lora" ? await findLoraFile(named) : named; // a folder may be named
    const place = resolve(path);
    const hash = hashes.get(place) ?? hashInput(path);
    hashes.set(place, hash);
    return { option, path, sha256: await hash };
  };
  const texts: string[] = [];
  for (const request of requests) {
    texts.push(formatSettings(request, plan, await Promise.all(inputFiles(request).map(fileOf))));
  }
  return texts;
}

/** @returns by their absolute paths, the hashes of files that were read for the plan: they may have gigabytes. */
function plannedHashes({ stages }: Plan): Map<string, Promise<string>> {
  const files = stages.flatMap((stage) => {
    if (stage.kind === "single-pass") return [{ file: stage.checkpoint, sha256: stage.sha256 }];
    return "lora" in stage ? (stage.lora?.loras ?? []) : [];
  });
  return new Map(files.map(({ file, sha256 }) => [resolve(file), Promise.resolve(sha256)]));
}

async function hashInput(path: string): Promise<string> {
  try {
    return await hashFile(path);
  } catch (cause) {
    throw new InputImageError(`${path} cannot be read any more: ${(cause as NodeJS.ErrnoException).code}.`, { cause });
  }
}
