/**
 * @module machine/onnxruntime-version
 * Which version of onnxruntime a library belongs to. A provider works with the onnxruntime of its own version alone: with
 * another one the process crashes. Both hold their version as a text of its own among their constants.
 */

import { readSync } from "node:fs";
import { type FilePart, readElf, withFile } from "./elf.ts";

const CHUNK_BYTES = 2 ** 20;
/** No version is longer: chunks overlap by it. */
const OVERLAP_BYTES = 64;

/** @returns the version of libonnxruntime.so.1: its symbols are called after it. Undefined: it says none. */
export function runtimeVersion(library: string): string | undefined {
  return searchConstants(library, (bytes) => /\0VERS_(\d+\.\d+\.\d+)\0/.exec(bytes.toString("latin1"))?.[1]);
}

/**
 * @returns the expected version if the provider has it among its constants, else the one that it has; undefined: none.
 * @throws {Error} the file is missing or no shared library.
 */
export function providerVersion(library: string, expected: string): string | undefined {
  const text = Buffer.from(`\0${expected}\0`); // looked for first: searching for one text is quick
  return (
    searchConstants(library, (bytes) => (bytes.includes(text) ? expected : undefined)) ??
    searchConstants(library, (bytes) => /\0(1\.\d+\.\d+)\0/.exec(bytes.toString("latin1"))?.[1])
  );
}

/** Reads what is loaded to be read alone, piece by piece, until `find` finds something. */
function searchConstants(library: string, find: (bytes: Buffer) => string | undefined): string | undefined {
  const { constants } = readElf(library);
  return withFile(library, (file) => {
    for (const part of constants) {
      for (const bytes of pieces(file, part)) {
        const found = find(bytes);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  });
}

/** Each piece holds until the next one is asked for. */
function* pieces(file: number, { offset, bytes }: FilePart): Generator<Buffer> {
  const buffer = Buffer.alloc(CHUNK_BYTES + OVERLAP_BYTES);
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, bytes - at), offset + at);
    yield buffer.subarray(0, read);
  }
}
