/**
 * @module machine/elf
 * What a shared library of Linux says of itself: the libraries it is linked with, where it looks for them, and where its
 * constants lie. Only what this needs is read, some kilobytes of a file that may have hundreds of megabytes.
 * Source: System V ABI, chapters 4 and 5 (ELF header, program headers, dynamic section).
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

export interface ElfFile {
  /** e_machine: 62 is x86-64, 183 is AArch64. */
  readonly machine: number;
  readonly soname?: string;
  /** DT_NEEDED, in its order. */
  readonly needed: readonly string[];
  /** DT_RUNPATH or the older DT_RPATH: folders, where `$ORIGIN` is the library's own. */
  readonly runpath: readonly string[];
  /** The parts of the file that are loaded to be read alone, neither written nor run: constants, texts. */
  readonly constants: readonly FilePart[];
}

export interface FilePart {
  readonly offset: number;
  readonly bytes: number;
}

export const x86_64 = 62;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PF_READ_ONLY = 4;
const DT = { null: 0n, needed: 1n, strtab: 5n, strsz: 10n, soname: 14n, rpath: 15n, runpath: 29n };

/** More than any library has; a file that claims more is none. */
const limits = { programHeaders: 256, dynamicBytes: 2 ** 16, needed: 512, nameBytes: 4096 };

/** @throws {Error} it is no little-endian ELF64 shared library, or its entries lie outside the file; or the system's error. */
export function readElf(path: string): ElfFile {
  return withFile(path, (file, fileBytes) => {
    const read = (offset: number, bytes: number): Buffer => readPart(file, fileBytes, { offset, bytes });
    const header = read(0, 64);
    if (header.readUInt32BE(0) !== 0x7f454c46) throw new Error("it is not an ELF file");
    if (header[4] !== 2 || header[5] !== 1) throw new Error("it is not a 64-bit little-endian ELF file");
    const segments = readSegments(header, read);
    const loaded = segments.filter(({ type }) => type === PT_LOAD);
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    if (!dynamic) throw new Error("it is not a shared library");
    return {
      machine: header.readUInt16LE(18),
      ...readDynamic(dynamic, loaded, read),
      constants: loaded
        .filter(({ flags }) => flags === PF_READ_ONLY)
        .map(({ offset, bytes }) => ({ offset, bytes: Math.min(bytes, Math.max(0, fileBytes - offset)) })),
    };
  });
}

/** Opens a regular file without waiting on pipes. */
export function withFile<T>(path: string, use: (file: number, fileBytes: number) => T): T {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new Error("it is not a regular file");
    return use(file, stats.size);
  } finally {
    closeSync(file);
  }
}

function readPart(file: number, fileBytes: number, { offset, bytes }: FilePart): Buffer {
  if (!(offset >= 0 && bytes >= 0 && offset + bytes <= fileBytes)) throw new Error("it is cut short or damaged");
  const buffer = Buffer.alloc(bytes);
  if (readSync(file, buffer, 0, bytes, offset) !== bytes) throw new Error("it is cut short or damaged");
  return buffer;
}

type Read = (offset: number, bytes: number) => Buffer;

interface Segment extends FilePart {
  readonly type: number;
  readonly flags: number;
  readonly address: number;
}

function readSegments(header: Buffer, read: Read): Segment[] {
  const [start, size, count] = [Number(header.readBigUInt64LE(32)), header.readUInt16LE(54), header.readUInt16LE(56)];
  if (size !== 56 || count > limits.programHeaders) throw new Error("its program headers are damaged");
  const table = read(start, size * count);
  return Array.from({ length: count }, (_, index) => table.subarray(index * size)).map((entry) => ({
    type: entry.readUInt32LE(0),
    flags: entry.readUInt32LE(4),
    offset: Number(entry.readBigUInt64LE(8)),
    address: Number(entry.readBigUInt64LE(16)),
    bytes: Number(entry.readBigUInt64LE(32)),
  }));
}

function readDynamic(
  dynamic: Segment,
  loaded: readonly Segment[],
  read: Read,
): Pick<ElfFile, "soname" | "needed" | "runpath"> {
  if (dynamic.bytes > limits.dynamicBytes) throw new Error("its dynamic section is damaged");
  const table = read(dynamic.offset, dynamic.bytes);
  const all = Array.from({ length: Math.floor(table.length / 16) }, (_, index) => ({
    tag: table.readBigUInt64LE(16 * index),
    value: Number(table.readBigUInt64LE(16 * index + 8)),
  }));
  const end = all.findIndex(({ tag }) => tag === DT.null);
  const entries = end < 0 ? all : all.slice(0, end);
  const valuesOf = (tag: bigint): number[] => entries.filter((entry) => entry.tag === tag).map(({ value }) => value);
  const [address] = valuesOf(DT.strtab);
  const [nameBytes = 0] = valuesOf(DT.strsz);
  const names = valuesOf(DT.needed);
  if (names.length > limits.needed) throw new Error("its dynamic section is damaged");
  const textAt = (place: number): string => {
    if (address === undefined || place >= nameBytes) throw new Error("its names lie outside their table");
    return readName(read, offsetOf(address, loaded) + place, Math.min(limits.nameBytes, nameBytes - place));
  };
  const [soname] = valuesOf(DT.soname);
  const [runpath] = [...valuesOf(DT.runpath), ...valuesOf(DT.rpath)];
  return {
    ...(soname === undefined ? {} : { soname: textAt(soname) }),
    needed: names.map(textAt),
    runpath: runpath === undefined ? [] : textAt(runpath).split(":").filter(Boolean),
  };
}

function offsetOf(address: number, loaded: readonly Segment[]): number {
  const segment = loaded.find((one) => address >= one.address && address < one.address + one.bytes);
  if (!segment) throw new Error("its names are not in the file");
  return segment.offset + address - segment.address;
}

function readName(read: Read, offset: number, maxBytes: number): string {
  const bytes = read(offset, maxBytes);
  const end = bytes.indexOf(0);
  if (end < 0) throw new Error("one of its names has no end");
  return bytes.toString("utf8", 0, end);
}
