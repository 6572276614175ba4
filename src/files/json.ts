/**
 * @module files/json
 * JSON from elsewhere, judged before it is parsed: JSON.parse takes a hundred times the text's size for `[[[[...` and
 * `{"a":{},...`, so depth and number of values are counted in the bytes first.
 */

import { printable } from "../text.ts";
import { type FailureClass, readWhole, reasonOf } from "./regular-file.ts";

export interface JsonLimits {
  readonly maxBytes: number;
  /** Objects and arrays within each other. */
  readonly maxDepth: number;
  /** Objects, arrays, strings, numbers and keys, all together; each takes up to 100 bytes. */
  readonly maxValues: number;
  /** Elements of one array; as many as `maxValues` if absent. */
  readonly maxItems?: number;
}

/** A component's or tokenizer's settings: a few KB on the Hub. */
export const configLimits: JsonLimits = { maxBytes: 4_000_000, maxDepth: 32, maxValues: 100_000 };

/** Vocabularies and indices of shards: CLIP's tokenizer.json, the largest of this cascade, has 3 MB and 250,000 values. */
export const listLimits: JsonLimits = { maxBytes: 32_000_000, maxDepth: 32, maxValues: 400_000 };

/**
 * @param name of the file or whatever it is, where a sentence starts.
 * @throws {Failure} the limits are passed, or it is no JSON. A byte order mark is taken off.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits, name: string, Failure: FailureClass): unknown {
  const fault = jsonShapeFault(bytes, limits);
  if (fault !== undefined) throw new Failure(`${name} ${fault}.`);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Failure(`${name} is not valid JSON (${printable(reasonOf(cause), 120)}).`, { cause });
  }
}

/** @throws {Failure} the file is missing, unreadable, passes the limits, or is no JSON. */
export async function readJsonFile(path: string, limits: JsonLimits, Failure: FailureClass): Promise<unknown> {
  return parseJson(await readWhole(path, limits.maxBytes, Failure), limits, path, Failure);
}

const [quotation, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Reads the bytes once and keeps nothing but one number per open bracket. Text that is no JSON may pass.
 * @returns which limit is passed, as the end of a sentence; undefined: none.
 */
export function jsonShapeFault(bytes: Uint8Array, limits: JsonLimits): string | undefined {
  const { maxBytes, maxDepth, maxValues, maxItems = maxValues } = limits;
  if (bytes.length > maxBytes) return `has ${bytes.length} bytes of JSON; ${maxBytes} are allowed`;
  const items: number[] = []; // of each open bracket the commas so far; of an object they do not count
  let values = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quotation) {
      at = stringEnd(bytes, at);
    } else if (byte === openBracket || byte === openBrace) {
      values++;
      if (items.push(byte === openBracket ? 0 : -Infinity) > maxDepth) return `nests JSON more than ${maxDepth} deep`;
    } else if (byte === closeBracket || byte === closeBrace) {
      items.pop();
    } else if (byte === comma || byte === colon) {
      values++;
      const inside = items.length - 1;
      if (byte === comma && inside >= 0 && ++items[inside]! >= maxItems) {
        return `has a list of more than ${maxItems} elements`;
      }
    }
    if (values > maxValues) return `holds more than ${maxValues} values`;
  }
  return undefined;
}

/** @returns where the closing quotation mark of the string is that opens at `start`; the end if there is none. */
function stringEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quotation) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
