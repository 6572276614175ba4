/**
 * @module image/tiff-pages
 * How many pages a TIFF file has, without its decoder, which walks over all of them for seconds.
 * Source: TIFF 6.0 §2 (a chain of directories: a count, entries of 12 bytes, the next one's place); BigTIFF has 8, 20, 8.
 */

/** @returns the number of pages, counted up to `limit` + 1; 0: no TIFF file. Also ends where the chain is a circle. */
export function countTiffPages(file: Uint8Array, limit: number): number {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  const order = bytes.toString("latin1", 0, 2);
  if (bytes.length < 16 || (order !== "II" && order !== "MM")) return 0;
  const isLittle = order === "II";
  const version = isLittle ? bytes.readUInt16LE(2) : bytes.readUInt16BE(2);
  if (version !== 42 && version !== 43) return 0;
  const { countBytes, entryBytes, placeBytes } =
    version === 42
      ? { countBytes: 2, entryBytes: 12, placeBytes: 4 }
      : { countBytes: 8, entryBytes: 20, placeBytes: 8 };
  const read = (at: number, length: number): number => {
    if (at + length > bytes.length) return 0;
    if (length === 8) return Number(isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
    return isLittle ? bytes.readUIntLE(at, length) : bytes.readUIntBE(at, length);
  };
  let pages = 0;
  for (let at = read(version === 42 ? 4 : 8, placeBytes); at > 0 && pages <= limit; pages++) {
    at = read(at + countBytes + read(at, countBytes) * entryBytes, placeBytes);
  }
  return pages;
}
