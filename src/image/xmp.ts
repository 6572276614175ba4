/**
 * @module image/xmp
 * Our texts as an XMP packet, and back: `parameters` as dc:description, which other programs show, and what is ours alone
 * as a property of our own.
 *
 * Source: XMP specification part 1 (ISO 16684-1), 7.9; part 2, 1.3 (Dublin Core).
 */

import { PARAMETERS, SETTINGS } from "./text-keywords.ts";

/** @param texts by keyword; others than those two are left out. */
export function formatXmp(texts: ReadonlyMap<string, string>): string {
  const [parameters, settings] = [texts.get(PARAMETERS), texts.get(SETTINGS)];
  const description =
    parameters === undefined
      ? ""
      : `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escapeXml(parameters)}</rdf:li></rdf:Alt></dc:description>`;
  const settingsElement = settings === undefined ? "" : `\n<ifgen:settings>${escapeXml(settings)}</ifgen:settings>`;
  return [
    `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>`,
    `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">`,
    `<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:ifgen="urn:if-gen:settings">`,
    `${description}${settingsElement}</rdf:Description></rdf:RDF></x:xmpmeta>`,
    `<?xpacket end="w"?>`,
  ].join("\n");
}

/** @returns the texts by keyword; also from a packet that an editor has written anew, with properties as attributes. */
export function parseXmp(packet: string): Map<string, string> {
  const description = /<dc:description>\s*<rdf:Alt>\s*<rdf:li[^<>]*>([^<]*)<\/rdf:li>/.exec(packet)?.[1];
  const [, element, attribute] =
    /<ifgen:settings>([^<]*)<\/ifgen:settings>|\sifgen:settings="([^"<]*)"/.exec(packet) ?? [];
  const settings = element ?? attribute;
  return new Map([
    ...(description === undefined ? [] : [[PARAMETERS, unescapeXml(description)] as const]),
    ...(settings === undefined ? [] : [[SETTINGS, unescapeXml(settings)] as const]),
  ]);
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const signs: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Signs that XML 1.0 cannot hold are left out. */
function escapeXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "")
    .replaceAll(/[&<>]/g, (sign) => entities[sign] ?? "");
}

function unescapeXml(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,4}));/gi, (whole, decimal, hexadecimal, name) => {
    if (typeof name === "string") return signs[name] ?? whole;
    const point = typeof decimal === "string" ? Number(decimal) : Number.parseInt(String(hexadecimal), 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
