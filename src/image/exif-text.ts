/**
 * @module image/exif-text
 * The texts of an EXIF block that programs put their settings into. Four tags are looked for and no more: whatever else a
 * foreign file claims to hold costs nothing.
 *
 * Source: EXIF 2.32, 4.6.2 (IFD), 4.6.4 (ImageDescription, Make, Model) and 4.6.5 (UserComment); TIFF 6.0, section 2.
 */

/** Where they are: the first directory, and the one of the image's own tags that it points to. */
const firstTags: ReadonlyMap<number, ExifTextName> = new Map([
  [0x010e, "ImageDescription"],
  [0x010f, "Make"],
  [0x0110, "Model"],
]);
const imageTags: ReadonlyMap<number, ExifTextName> = new Map([[0x9286, "UserComment"]]);
const POINTER = 0x8769;

type ExifTextName = "ImageDescription" | "Make" | "Model" | "UserComment";

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly bytes: Buffer;
}

/** @returns the texts that are there; of what is damaged nothing. @param exif a TIFF structure, with or without `Exif\0\0`. */
export function parseExifTexts(exif: Buffer): Map<ExifTextName, string> {
  const tiff = exif.toString("latin1", 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif;
  const order = tiff.toString("latin1", 0, 2);
  const texts = new Map<ExifTextName, string>();
  if ((order !== "II" && order !== "MM") || tiff.length < 8) return texts;
  const isLittle = order === "II";
  for (const { tag, type, bytes } of entriesOf(tiff, uint32(tiff, 4, isLittle), isLittle)) {
    const name = firstTags.get(tag);
    if (name && type === 2) texts.set(name, withoutNull(bytes.toString("utf8")));
    if (tag !== POINTER || type !== 4) continue;
    for (const { tag: inner, bytes: comment } of entriesOf(tiff, uint32(bytes, 0, isLittle), isLittle)) {
      const comments = imageTags.get(inner);
      if (comments) texts.set(comments, decodeComment(comment));
    }
  }
  return texts;
}

/** Bytes of a value of each type, by its number. */
const sizes: Readonly<Record<number, number>> = { 2: 1, 4: 4, 7: 1 };

function* entriesOf(tiff: Buffer, offset: number, isLittle: boolean): Generator<Entry, void> {
  if (offset + 2 > tiff.length) return;
  const count = isLittle ? tiff.readUInt16LE(offset) : tiff.readUInt16BE(offset);
  for (let at = offset + 2; at < offset + 2 + 12 * count && at + 12 <= tiff.length; at += 12) {
    const tag = isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at);
    if (!firstTags.has(tag) && !imageTags.has(tag) && tag !== POINTER) continue;
    const type = isLittle ? tiff.readUInt16LE(at + 2) : tiff.readUInt16BE(at + 2);
    const length = (sizes[type] ?? 0) * uint32(tiff, at + 4, isLittle);
    const start = length <= 4 ? at + 8 : uint32(tiff, at + 8, isLittle);
    if (length > 0 && start + length <= tiff.length) yield { tag, type, bytes: tiff.subarray(start, start + length) };
  }
}

const uint32 = (bytes: Buffer, at: number, isLittle: boolean): number => {
  if (at + 4 > bytes.length) return bytes.length; // an offset at which nothing is
  return isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
};

/** Eight bytes tell how it is written. UTF-16 comes in either order, whatever the block's own is: letters tell which. */
function decodeComment(bytes: Buffer): string {
  const code = bytes.toString("latin1", 0, 8);
  const text = bytes.subarray(8);
  if (code !== "UNICODE\0") return withoutNull((/^(ASCII\0{3}|\0{8})$/.test(code) ? text : bytes).toString("utf8"));
  const even = text.subarray(0, text.length & ~1);
  const zeros = (first: number): number => even.filter((byte, at) => at % 2 === first && byte === 0).length;
  return withoutNull((zeros(0) > zeros(1) ? Buffer.from(even).swap16() : even).toString("utf16le"));
}

const withoutNull = (text: string): string => text.replace(/\0+$/, "");
