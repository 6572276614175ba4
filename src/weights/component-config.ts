/**
 * @module weights/component-config
 * A component's config file -> checked values. A key that means something to the reference and nothing here would give
 * another image, so unknown keys are refused, not skipped.
 */

import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { printable } from "../text.ts";
import { readJson } from "./file.ts";

/** Made by z.strictObject(): names every key the network knows, with the defaults of those that may be absent. */
type ConfigSchema = z.ZodObject<z.core.$ZodLooseShape, z.core.$strict>;

export interface ConfigOptions {
  /** "config.json" unless said otherwise; e.g. "scheduler_config.json". */
  readonly file?: string;
  /** Keys that change no number and may be there: dropout_rate, torch_dtype, ... Those that begin with "_" always may. */
  readonly harmless?: readonly string[];
}

/**
 * @param folder the component's, e.g. `if-i/unet`.
 * @throws {CheckpointError} the file is missing or no JSON object, or a key is unknown, missing or of the wrong type.
 */
export async function readComponentConfig<S extends ConfigSchema>(
  folder: string,
  schema: S,
  { file = "config.json", harmless = [] }: ConfigOptions = {},
): Promise<z.output<S>> {
  const path = join(folder, file);
  const json = await readJson(path);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new CheckpointError(`${path} is not a JSON object of settings.`);
  }
  checkQuantization(path, (json as Readonly<Record<string, unknown>>)[quantizationKey]);
  const isIgnored = (key: string) =>
    !Object.hasOwn(schema.shape, key) && (key.startsWith("_") || key === quantizationKey || harmless.includes(key));
  const settings = Object.fromEntries(Object.entries(json).filter(([key]) => !isIgnored(key)));
  const result = schema.safeParse(settings);
  if (!result.success) throw configError(path, result.error, settings);
  return result.data;
}

const quantizationKey = "quantization_config";

/** What transformers adds when it saves quantised weights. Of bitsandbytes' layouts the 8-bit one is read (weights/checkpoint). */
const readable = z.looseObject({
  quant_method: z.literal("bitsandbytes").default("bitsandbytes"),
  load_in_8bit: z.literal(true),
  load_in_4bit: z.literal(false).default(false),
});

function checkQuantization(path: string, settings: unknown): void {
  if (settings === undefined || settings === null || readable.safeParse(settings).success) return;
  const { quant_method: method } = settings as { quant_method?: unknown };
  const by = typeof method === "string" ? ` by ${printable(method)}` : "";
  throw new CheckpointError(
    `${path} says that the weights are quantised${by} in a layout that if-gen does not read; it reads bitsandbytes' 8 bits ` +
      "(load_in_8bit), fp16 and fp32.",
  );
}

function configError(path: string, error: z.ZodError, settings: unknown): CheckpointError {
  const unknown = error.issues.find((issue) => issue.code === "unrecognized_keys");
  if (unknown !== undefined) {
    const key = [...unknown.path, unknown.keys[0]].join(".");
    return new CheckpointError(
      `Unknown key \`${printable(key)}\` in ${path}: this version of if-gen does not know what it means.`,
    );
  }
  const issue = error.issues[0]!; // a failed parse has at least one
  const key = printable(issue.path.join("."));
  const value = valueAt(settings, issue.path);
  if (value === undefined && issue.code !== "custom")
    return new CheckpointError(`Key \`${key}\` is missing in ${path}.`);
  return new CheckpointError(
    `Key \`${key}\` is ${shortJson(value)} in ${path}, which if-gen cannot use: ${printable(issue.message, 120)}.`,
  );
}

function valueAt(settings: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], settings);
}

function shortJson(value: unknown): string {
  const text = value === undefined ? "absent" : JSON.stringify(value);
  return printable(text.length <= 60 ? text : `${text.slice(0, 57)}...`);
}
