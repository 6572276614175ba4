/**
 * @module run/metadata/foreign-json
 * JSON that other programs leave in images, read with limits; a seed of 64 bits keeps its digits.
 */

import { InputImageError } from "../../errors.ts";
import { parseJson } from "../../files/json.ts";

/** A workflow of some hundred nodes has some hundred KB. */
const limits = { maxBytes: 16_000_000, maxDepth: 64, maxValues: 400_000 };

/** Numbers from 2^53 on are made strings; a key inside a string has backslashes before its quotation marks. */
const longSeed = /("(?:noise_)?seed"\s*:\s*)(\d{16,20})(?=\s*[,}])/g;

/** @returns undefined: it is no JSON, or passes the limits. */
export function parseForeign(text: string): unknown {
  const exact = text.replaceAll(longSeed, (whole, key: string, digits: string) =>
    Number.isSafeInteger(Number(digits)) ? whole : `${key}"${digits}"`,
  );
  try {
    return parseJson(Buffer.from(exact), limits, "metadata", InputImageError);
  } catch {
    return undefined;
  }
}
