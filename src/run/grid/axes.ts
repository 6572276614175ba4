/**
 * @module run/grid/axes
 * In what drawings differ, and how a label says it.
 */

import { printable } from "../../text.ts";
import type { FlatOptions } from "../options-from-request.ts";

const MAX_LABEL = 200;

const textOf = (value: unknown): string => (value === undefined ? "" : JSON.stringify(value));

/** @returns the names of options that are not the same in all, in the order in which they first come. */
export function differingNames(all: readonly FlatOptions[]): string[] {
  const names = [...new Set(all.flatMap((options) => Object.keys(options)))];
  return names.filter((name) => new Set(all.map((options) => textOf(options[name]))).size > 1);
}

/** @returns the values of some options, for telling them apart. */
export const keyOf = (names: readonly string[], options: FlatOptions): string =>
  JSON.stringify(names.map((name) => options[name] ?? null));

/** `a red circle, seed 7, stage 1 guidance 4`. */
export function labelOf(names: readonly string[], options: FlatOptions): string {
  const parts = names.map((name) => {
    const value = options[name];
    if (value === undefined) return `no ${wordsOf(name)}`;
    const shown = typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value);
    return name === "prompt" ? shown : `${wordsOf(name)} ${shown}`;
  });
  return printable(parts.join(", "), MAX_LABEL);
}

/** `stage1NoiseLevel` -> `stage 1 noise level`. */
const wordsOf = (name: string): string =>
  name.replaceAll(/[A-Z]|\d+/g, (sign) => ` ${sign.toLowerCase()}`).replaceAll(/ +/g, " ");

/** `stage-1-guidance` -> `stage1Guidance`: as people write an option, and as a job has it. */
export const nameOf = (word: string): string =>
  word
    .replace(/^--/, "")
    .replaceAll(/-(\d)/g, "$1")
    .replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
