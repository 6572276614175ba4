/**
 * @module weights/safetensors-stream
 * Writes a safetensors file that is larger than memory: tensor after tensor, each in pieces, atomically and with the
 * checksum of what was written.
 */

import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { IfGenError, OutputError, ShapeError, whyNotWritten } from "../errors.ts";
import { replaceFile } from "../files/replace-file.ts";
import { elementCount } from "../math/tensor.ts";
import { type Dtype, dtypeBytes } from "./dtype.ts";
import { encodeHeader, fileOrder } from "./safetensors.ts";

export interface TensorLayout {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** The bytes of one tensor in pieces; a piece may be written over once the next one is asked for. */
export type Produce<T> = (name: string, layout: T) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

interface StreamOptions {
  readonly metadata?: ReadonlyMap<string, string>;
  /** Also compute the file's sha256, about a second per gigabyte. */
  readonly checksum?: boolean;
  /** Wait until it is on the disk, so that it survives a power cut; on unless said otherwise. */
  readonly sync?: boolean;
  /** `given`: as the map has them, for a producer that cannot know the later ones first; else as the reference library. */
  readonly order?: "given";
}

export interface WrittenFile {
  readonly bytes: number;
  readonly sha256?: string;
}

/**
 * Appears whole or not at all: written into a temporary neighbour first, which is then renamed.
 * @throws {OutputError} the file cannot be written: disk full, folder read-only.
 * @throws {ShapeError}  `produce` gave another number of bytes than the layout says.
 */
export async function writeSafetensorsStream<T extends TensorLayout>(
  path: string,
  tensors: ReadonlyMap<string, T>,
  produce: Produce<T>,
  { metadata = new Map(), checksum = false, sync = true, order }: StreamOptions = {},
): Promise<WrittenFile> {
  const ordered = order === "given" ? [...tensors] : fileOrder(tensors);
  const hash = checksum ? createHash("sha256") : undefined;
  let bytes = 0;
  const writeTo = async (handle: FileHandle): Promise<void> => {
    const write = async (piece: Uint8Array): Promise<void> => {
      hash?.update(piece);
      bytes += await writeAll(handle, piece);
    };
    await write(encodeHeader(ordered, metadata));
    for (const [name, layout] of ordered) {
      const end = bytes + elementCount(layout.shape) * dtypeBytes(layout.dtype);
      for await (const piece of produce(name, layout)) await write(piece);
      if (bytes !== end) throw new ShapeError(`${name}: ${bytes - end} bytes more than its shape takes`);
    }
  };
  try {
    await replaceFile(path, writeTo, { sync });
  } catch (cause) {
    if (cause instanceof IfGenError || !(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
  return { bytes, ...(hash ? { sha256: hash.digest("hex") } : {}) };
}

async function writeAll(handle: FileHandle, piece: Uint8Array): Promise<number> {
  for (let done = 0; done < piece.length;) done += (await handle.write(piece, done)).bytesWritten;
  return piece.length;
}
