/** Shared libraries of a few hundred bytes, made up: enough of ELF64 for what reads their entries. */

export interface FakeLibrary {
  readonly needed?: readonly string[];
  readonly runpath?: string;
  readonly soname?: string;
  /** Among its constants. */
  readonly texts?: readonly string[];
  readonly machine?: number;
}

/** Header, three program headers (constants, dynamic section's own segment, PT_DYNAMIC), names, constants, dynamic section. */
export function fakeElf({ needed = [], runpath, soname, texts = [], machine = 62 }: FakeLibrary = {}): Buffer {
  const namesAt = 64 + 3 * 56;
  const words = ["", ...needed, ...(runpath === undefined ? [] : [runpath]), ...(soname === undefined ? [] : [soname])];
  const names = Buffer.from(`${words.join("\0")}\0`);
  const constants = Buffer.concat([names, Buffer.from(`\0${texts.map((text) => `${text}\0`).join("")}`)]);
  const placeOf = (word: string): number => names.indexOf(`\0${word}\0`) + 1;
  const address = 0x1000; // of the file's first byte
  const entries: [number, number][] = [
    ...needed.map((name): [number, number] => [1, placeOf(name)]),
    ...(runpath === undefined ? [] : [[29, placeOf(runpath)] as [number, number]]),
    ...(soname === undefined ? [] : [[14, placeOf(soname)] as [number, number]]),
    [5, address + namesAt],
    [10, names.length],
    [0, 0],
  ];
  const dynamic = Buffer.alloc(16 * entries.length);
  entries.forEach(([tag, value], index) => {
    dynamic.writeBigUInt64LE(BigInt(tag), 16 * index);
    dynamic.writeBigUInt64LE(BigInt(value), 16 * index + 8);
  });
  const header = Buffer.alloc(64);
  header.write("\u007fELF\u0002\u0001\u0001", "latin1");
  header.writeUInt16LE(3, 16); // ET_DYN
  header.writeUInt16LE(machine, 18);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(3, 56);
  const dynamicAt = namesAt + constants.length;
  const segments = [
    programHeader(1, 4, namesAt, address + namesAt, constants.length),
    programHeader(1, 6, dynamicAt, address + 0x1000 + dynamicAt, dynamic.length),
    programHeader(2, 6, dynamicAt, address + 0x1000 + dynamicAt, dynamic.length),
  ];
  return Buffer.concat([header, ...segments, constants, dynamic]);
}

function programHeader(type: number, flags: number, offset: number, address: number, bytes: number): Buffer {
  const header = Buffer.alloc(56);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(flags, 4);
  [offset, address, address, bytes, bytes].forEach((value, index) =>
    header.writeBigUInt64LE(BigInt(value), 8 + 8 * index),
  );
  return header;
}
