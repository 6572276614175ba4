/**
 * @module cli/values
 * Values of options: text -> what it means, or the sentence that commander ends with.
 */

import { InvalidArgumentError } from "commander";
import { type Side, sides } from "../plan/stages.ts";

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

export function decimal(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** More than that are a batch: each one's tensors are kept until all are drawn. */
const MAX_SEEDS = 1000;

/** `7`, or several with ranges: `1,5,10-14`; each as torch takes it, none twice. */
export function seeds(text: string): bigint[] {
  const list: bigint[] = [];
  for (const part of text.split(",").map((word) => word.trim())) {
    const [, first, last] = /^(\d{1,20})(?:-|\.\.)(\d{1,20})$/.exec(part) ?? [];
    if (first === undefined || last === undefined) list.push(seed(part));
    else list.push(...range(seed(first), seed(last)));
    if (list.length > MAX_SEEDS) {
      throw new InvalidArgumentError(`It names more than ${MAX_SEEDS} seeds; draw them in several runs.`);
    }
  }
  const twice = list.find((one, index) => list.indexOf(one) !== index);
  if (twice !== undefined)
    throw new InvalidArgumentError(`It names the seed ${twice} twice: the image would be the same.`);
  return list;
}

function range(first: bigint, last: bigint): bigint[] {
  if (first > last) throw new InvalidArgumentError(`The range ${first}-${last} ends before it begins.`);
  const count = last - first + 1n > MAX_SEEDS ? MAX_SEEDS + 1 : Number(last - first + 1n);
  return Array.from({ length: count }, (_, index) => first + BigInt(index));
}

/** As torch's manual_seed takes it: 64 bits, with or without a sign. */
export function seed(text: string): bigint {
  const value = /^-?\d{1,20}$/.test(text) ? BigInt(text) : undefined;
  if (value !== undefined && value >= -(2n ** 63n) && value < 2n ** 64n) return value;
  throw new InvalidArgumentError("It must be a whole number from -2^63 to 2^64 - 1.");
}

/** An option that makes no sense twice. */
export function once(text: string, before: string | undefined): string {
  if (before === undefined) return text;
  throw new InvalidArgumentError(`It is given twice: ${before} and ${text}.`);
}

export function strength(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("It must be a number above 0, and 1 at most.");
  return value;
}

export function side(text: string): Side {
  const value = sides.find((one) => String(one) === text.trim());
  if (value !== undefined) return value;
  throw new InvalidArgumentError(`It must be one of ${sides.join(", ")}.`);
}

/** A preset's name, or numbers from noisy to clean. */
export function timesteps(text: string): string | number[] {
  if (/^[a-z]+\d+$/i.test(text)) return text.toLowerCase();
  const list = text.split(",").map((part) => part.trim());
  const numbers = list.map(Number);
  const falls = numbers.every((value, index) => index === 0 || value < (numbers[index - 1] ?? 0));
  if (!list.every((part) => /^\d+$/.test(part)) || !falls || (numbers[0] ?? 0) > 999) {
    throw new InvalidArgumentError("It must be a preset's name or falling whole numbers from 999 to 0: 999,800,600,0.");
  }
  return numbers;
}

export function aspectRatio(text: string): string {
  if (/^[1-9]\d{0,4}:[1-9]\d{0,4}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be two whole numbers, W:H: 3:2.");
}

export function size(text: string): string {
  if (/^[1-9]\d{0,4}x[1-9]\d{0,4}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be pixels, WxH: 1536x1024.");
}

/** Farther out than any image that is read reaches. */
const MAX_PIXELS = 1_000_000;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** `x,y,width,height`, added to those given before. */
export function box(text: string, before: readonly Box[] = []): Box[] {
  const parts = text.split(",").map((part) => part.trim());
  const [x = 0, y = 0, width = 0, height = 0] = parts.map(Number);
  const whole = parts.length === 4 && parts.every((part) => /^-?\d{1,7}$/.test(part));
  if (!whole || width < 1 || height < 1 || Math.max(...parts.map((part) => Math.abs(Number(part)))) > MAX_PIXELS) {
    throw new InvalidArgumentError("It must be x,y,width,height in whole pixels of the image: 40,10,120,60.");
  }
  return [...before, { x, y, width, height }];
}
