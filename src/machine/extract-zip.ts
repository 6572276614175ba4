/**
 * @module machine/extract-zip
 * Files out of a zip archive (.whl, .nupkg), by its central directory; their sizes and CRCs are checked.
 * Source: APPNOTE.TXT 4.3. Zip64 is for archives beyond 4 GiB and is refused.
 */

import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { UsageError } from "../errors.ts";
import type { Place } from "./copy-libraries.ts";

/** The end record and the longest comment behind it. */
const END_BYTES = 22 + 65_535;
const MAX_DIRECTORY_BYTES = 2 ** 26;

interface Entry {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Of its local header. */
  readonly offset: number;
}

/** @throws {UsageError} it is no zip archive, or damaged. */
export async function extractZip(source: string, isWanted: (path: string) => boolean, place: Place): Promise<void> {
  const handle = await open(source);
  try {
    for (const entry of await readDirectory(handle)) {
      if (!isWanted(entry.path)) continue;
      const header = await readAt(handle, entry.offset, 30);
      const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
      const packed = createReadStream(source, { start, end: start + entry.packedBytes - 1 });
      await place(entry.path, Readable.from(checked(unpacked(packed, entry.method), entry)));
    }
  } catch (error) {
    if (error instanceof UsageError || "syscall" in (error as Error)) throw error;
    throw new UsageError(`${source} cannot be unpacked: ${(error as Error).message}.`, { cause: error });
  } finally {
    await handle.close();
  }
}

async function readDirectory(handle: FileHandle): Promise<Entry[]> {
  const { size } = await handle.stat();
  const tail = await readAt(handle, Math.max(0, size - END_BYTES), Math.min(size, END_BYTES));
  const end = tail.lastIndexOf("PK\u0005\u0006", undefined, "latin1");
  if (end < 0 || end + 22 > tail.length) throw new Error("it is not a zip archive");
  const [count, bytes, offset] = [
    tail.readUInt16LE(end + 10),
    tail.readUInt32LE(end + 12),
    tail.readUInt32LE(end + 16),
  ];
  if (bytes > MAX_DIRECTORY_BYTES) throw new Error("its list of files is damaged or zip64");
  const list = await readAt(handle, offset, bytes);
  const entries: Entry[] = [];
  for (let at = 0, left = count; left > 0 && at + 46 <= list.length; left--) {
    const [nameBytes, more] = [list.readUInt16LE(at + 28), list.readUInt16LE(at + 30) + list.readUInt16LE(at + 32)];
    entries.push({
      path: list.toString("utf8", at + 46, at + 46 + nameBytes),
      method: list.readUInt16LE(at + 10),
      crc: list.readUInt32LE(at + 16),
      packedBytes: list.readUInt32LE(at + 20),
      bytes: list.readUInt32LE(at + 24),
      offset: list.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes + more;
  }
  return entries;
}

function unpacked(packed: Readable, method: number): AsyncIterable<Buffer> {
  if (method === 0) return packed;
  if (method !== 8) throw new Error(`a file in it is packed by method ${method}`);
  const inflated = createInflateRaw();
  packed.once("error", (error) => inflated.destroy(error));
  return packed.pipe(inflated);
}

async function* checked(bytes: AsyncIterable<Buffer>, entry: Entry): AsyncGenerator<Buffer> {
  let [total, crc] = [0, 0];
  for await (const chunk of bytes) {
    total += chunk.length;
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (total !== entry.bytes || crc !== entry.crc) throw new Error(`${entry.path} in it is damaged`);
}

async function readAt(handle: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
  if (bytesRead < bytes) throw new Error("it is cut short");
  return buffer;
}
