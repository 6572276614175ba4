/**
 * @module memory/bytes
 * Amounts of memory as people write them.
 */

import { UsageError } from "../errors.ts";

export const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);

const units: Readonly<Record<string, number>> = {
  "": 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
};

/** "13GB", "12.5 GiB", "800M", "13000000000" -> bytes. @throws {UsageError} it is none of these. */
export function parseBytes(text: string): number {
  const [, number, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([KMG]i?)?B?\s*$/i.exec(text) ?? [];
  const factor = units[unit.toUpperCase()];
  const bytes = Math.round(Number(number) * (factor ?? Number.NaN));
  if (!(bytes > 0)) throw new UsageError(`${text} is no amount of memory; write it as 13GB, 800MB or 12GiB.`);
  if (bytes < 1e6)
    throw new UsageError(`${text} is ${bytes} bytes, in which nothing runs; write it as 13GB, 800MB or 12GiB.`);
  return bytes;
}
