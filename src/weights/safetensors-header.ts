/**
 * @module weights/safetensors-header
 * The head of a safetensors file, from untrusted bytes to checked entries.
 *
 *   8 bytes  N, little-endian uint64
 *   N bytes  JSON, "{" first: name -> { dtype, shape, data_offsets: [begin, end) }, and __metadata__: string -> string
 *   rest     the tensors, row-major; data_offsets count from here, leave no hole and end with the file
 *
 * The header is measured before it is parsed: length, depth, elements of a list, number of values. The largest published one
 * of this cascade has less than 1 MB.
 *
 * Source: the safetensors format description (huggingface/safetensors README, "Format").
 */

import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { type JsonLimits, parseJson } from "../files/json.ts";
import { printable, quote } from "../text.ts";
import { type Dtype, dtypeBytes, isDtype } from "./dtype.ts";
import { headerTextFault } from "./header-text.ts";

export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Of the first byte, counted from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  /** Where the header ends and the tensors begin. */
  readonly dataOffset: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/** The header's own length, before it. */
export const prefixBytes = 8;

/** A tensor's sides. torch has no more than 64, no network here more than 4. */
const maxSides = 64;

/** A tensor takes about twelve values and a hundred bytes; the largest file of this cascade has some 2,000 tensors. */
const headerLimits: JsonLimits = { maxBytes: 10_000_000, maxDepth: 3, maxValues: 200_000, maxItems: maxSides };

const lfsPointerStart = "version https://git-lfs";

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/**
 * @param bytes     the file's first bytes, the whole header among them.
 * @param fileBytes size of the whole file.
 * @param path      names the file in errors.
 * @throws {CheckpointError} bad length, bad JSON, or a tensor that does not fit: names file, tensor and bytes.
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number, path: string): SafetensorsHeader {
  const dataOffset = prefixBytes + headerBytes(bytes, fileBytes, path);
  const json = parseHeaderText(bytes.subarray(prefixBytes, dataOffset), path);
  const metadata = new Map<string, string>();
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(checkMetadata(value, path))) metadata.set(key, text);
    } else {
      entries.push(parseEntry(name, value, dataOffset, path));
    }
  }
  checkLayout(entries, dataOffset, fileBytes, path);
  return { dataOffset, metadata, tensors: new Map(entries.map((entry) => [entry.name, entry])) };
}

/**
 * @param bytes the file's first bytes, at least its first 24 if it has so many.
 * @returns how long the JSON is, once the length is known to be sane.
 * @throws {CheckpointError} no safetensors file, or one that is cut short.
 */
export function headerBytes(bytes: Uint8Array, fileBytes: number, path: string): number {
  if (fileBytes === 0) throw new CheckpointError(`${path} is empty; download it again.`);
  if (Buffer.from(bytes.subarray(0, lfsPointerStart.length)).toString("latin1") === lfsPointerStart) {
    throw new CheckpointError(`${path} is a Git LFS pointer, not the weights; run git lfs pull.`);
  }
  if (fileBytes < prefixBytes) {
    throw new CheckpointError(
      `${path} has only ${fileBytes} bytes, too few for a safetensors file; download it again.`,
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > headerLimits.maxBytes) {
    throw new CheckpointError(
      `${path} is not a safetensors file: its first bytes give a header of ${length} bytes, ${headerLimits.maxBytes} are allowed.`,
    );
  }
  const end = prefixBytes + Number(length);
  if (end > fileBytes) {
    throw new CheckpointError(
      `${path} is cut short: its header takes ${end} bytes and the file has ${fileBytes}; download it again.`,
    );
  }
  return Number(length);
}

function parseHeaderText(bytes: Uint8Array, path: string): object {
  if (bytes[0] !== 0x7b) throw new CheckpointError(`${path} is not a safetensors file: its header starts without "{".`);
  const json = parseJson(bytes, headerLimits, `${path}: its header`, CheckpointError) as object; // an object: it starts with "{"
  const fault = headerTextFault(new TextDecoder().decode(bytes));
  if (fault !== undefined) throw new CheckpointError(`${path} has a broken header: it ${fault}.`);
  return json;
}

function checkMetadata(value: unknown, path: string): Record<string, string> {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isMap || !Object.values(value).every((text) => typeof text === "string")) {
    throw new CheckpointError(`${path} has a __metadata__ that does not map strings to strings.`);
  }
  return value as Record<string, string>;
}

type Entry = z.infer<typeof entrySchema>;

/** Would the schema take it? Nearly always; asking it thousands of times takes a while, so it is asked where it says what is wrong. */
function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 3) return false;
  const { dtype, shape, data_offsets: offsets } = value as Partial<Entry>;
  return typeof dtype === "string" && areCounts(shape) && areCounts(offsets) && offsets.length === 2;
}

const areCounts = (list: readonly number[] | undefined): list is number[] =>
  Array.isArray(list) && list.every((count) => Number.isSafeInteger(count) && count >= 0);

function parseEntry(name: string, value: unknown, dataOffset: number, path: string): TensorEntry {
  const result = isEntry(value) ? { success: true as const, data: value } : entrySchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const where = issue === undefined || issue.path.length === 0 ? "" : ` in ${quote(issue.path.join("."))}`;
    throw new CheckpointError(
      `${path}: the header's entry for tensor ${quote(name)} is broken${where}: ${printable(issue?.message ?? "", 120)}.`,
    );
  }
  const { dtype, shape, data_offsets: [begin, end] } = result.data; // prettier-ignore
  if (!isDtype(dtype)) {
    throw new CheckpointError(
      `${path}: tensor ${quote(name)} has the type ${quote(dtype)}, which if-gen does not read.`,
    );
  }
  const byteLength = shape.reduce((product, side) => product * side, dtypeBytes(dtype));
  if (!Number.isSafeInteger(byteLength) || begin + byteLength !== end) {
    throw new CheckpointError(
      `${path}: tensor ${quote(name)} lies at bytes ${begin} to ${end}, but ${dtype} [${shape.join(", ")}] takes ${byteLength} bytes.`,
    );
  }
  return { name, dtype, shape, offset: dataOffset + begin, byteLength };
}

/** Tensor after tensor without holes or overlaps, up to the last byte of the file. */
function checkLayout(entries: readonly TensorEntry[], dataOffset: number, fileBytes: number, path: string): void {
  const ordered = entries.toSorted((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataOffset;
  for (const { name, offset, byteLength } of ordered) {
    if (offset !== end) {
      const fault =
        offset < end ? "overlaps the one before it, which ends" : "leaves a hole after the one before it, which ends";
      throw new CheckpointError(`${path}: tensor ${quote(name)} starts at byte ${offset} and ${fault} at ${end}.`);
    }
    end = offset + byteLength;
    if (end > fileBytes) {
      throw new CheckpointError(
        `${path} is cut short: tensor ${quote(name)} ends at byte ${end} and the file at ${fileBytes}; download it again.`,
      );
    }
  }
  if (end !== fileBytes) {
    throw new CheckpointError(`${path} has ${fileBytes - end} bytes after its last tensor, which ends at byte ${end}.`);
  }
}
