/**
 * @module run/library-settings
 * What a program may say of a run as a whole, checked: a misspelt or wrong setting is told, not ignored.
 */

import { z } from "zod";
import { UsageError } from "../errors.ts";
import { parseBytes } from "../memory/bytes.ts";
import { printable } from "../text.ts";
import { nearestName } from "../weights/nearest-name.ts";
import { describeIssue, describeValue } from "./describe-issue.ts";

const amount = z.union([z.number(), z.string()]);

const schema = z.strictObject({
  ramBudget: amount.optional(),
  vramBudget: amount.optional(),
  budget: z.enum(["colab", "machine"]).optional(),
  modelsFile: z.string().min(1).optional(),
  token: z.string().optional(),
  download: z.boolean().optional(),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal, "it is no AbortSignal").optional(),
  previewEvery: z.int().positive().optional(),
  runDir: z.string().min(1).optional(),
  resume: z.boolean().optional(),
  saveEmbeds: z.string().min(1).optional(),
  saveLatents: z.string().min(1).optional(),
});

export const librarySettingNames: readonly string[] = Object.keys(schema.shape);

/** @throws {UsageError} a setting is unknown or wrong: says which. */
export function checkSettings(given: unknown): void {
  const [issue] = schema.safeParse(given).error?.issues ?? [];
  if (issue === undefined) return;
  if (issue.code === "unrecognized_keys") {
    const [unknown = ""] = issue.keys;
    const near = nearestName(unknown, librarySettingNames);
    throw new UsageError(
      `there is no setting ${printable(unknown)}${near === undefined ? "." : `; did you mean ${near}?`}`,
    );
  }
  if (issue.path.length === 0) throw new UsageError(`settings are an object, and not ${describeValue(given)}.`);
  throw new UsageError(`${describeIssue(issue, given)}.`);
}

/** @returns an amount of memory in bytes. @throws {UsageError} nothing runs in so few, or it is no amount. */
export const bytesOf = (amount: number | string | undefined): number | undefined =>
  amount === undefined ? undefined : parseBytes(String(amount));
