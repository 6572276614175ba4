/**
 * @module image/image-kind
 * What an image's file is, by its first bytes: enough to say why one cannot be read, before a decoder sees it.
 */

const signatures: readonly (readonly [start: string, name: string])[] = [
  ["BM", "a BMP image"],
  ["%PDF-", "a PDF document"],
  ["8BPS", "a Photoshop document"],
  ["\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"],
  ["\xff\x0a", "a JPEG XL image"],
  ["\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image"],
  ["\x76\x2f\x31\x01", "an OpenEXR image"],
  ["\x00\x00\x01\x00", "a Windows icon"],
  ["<svg", "an SVG drawing"],
  ["<?xml", "an XML document, perhaps an SVG drawing"],
  ["<!DOCTYPE", "a web page, not the image on it"],
  ["<html", "a web page, not the image on it"],
];

/** Of HEIF files: the kinds whose images are HEVC, which no free decoder may bring along. */
const heicBrands: ReadonlySet<string> = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);
const avifBrands: ReadonlySet<string> = new Set(["avif", "avis"]);

/** @returns what it is that cannot be read and what to do, for a sentence that starts with the file's name; else undefined. */
export function unreadableKind(file: Uint8Array): string | undefined {
  const brands = heifBrands(file);
  const isHeic = brands.some((brand) => heicBrands.has(brand)) && !brands.some((brand) => avifBrands.has(brand));
  if (isHeic) {
    return (
      "is a HEIC image, as iPhones take them, which if-gen does not read; convert it to JPEG " +
      "(heif-convert in.heic out.jpg, or magick in.heic out.jpg) or export it as JPEG"
    );
  }
  const start = Buffer.from(file.subarray(0, 64)).toString("latin1");
  const [, name] = signatures.find(([signature]) => start.trimStart().startsWith(signature)) ?? [];
  return name === undefined
    ? undefined
    : `is ${name}, which if-gen does not read; use a JPEG, PNG, WebP, AVIF, TIFF or GIF file`;
}

/** The brands in an ISO media file's first box: `ftyp`, the major one, a version, the compatible ones. */
function heifBrands(file: Uint8Array): string[] {
  const head = Buffer.from(file.subarray(0, 256));
  if (head.length < 16 || head.toString("latin1", 4, 8) !== "ftyp") return [];
  const end = Math.min(head.readUInt32BE(0), head.length);
  const brands = [head.toString("latin1", 8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(head.toString("latin1", at, at + 4));
  return brands;
}
