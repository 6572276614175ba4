/**
 * @module tokenizers/single-byte-encodings
 * The encodings mojibake comes from. Bytes below 0x80 are ASCII in all of them; the tables hold the upper 128, U+FFFD
 * where the character has the byte's own number (Latin-1, or unassigned, which browsers read so too).
 * Written out because TextDecoder lacks two of them and takes windows-1252 for Latin-1 in some Node versions.
 * Source: the Unicode Consortium's mapping files; cp437 as in Python.
 */

const upperHalves = {
  "latin-1": "",
  "windows-1252":
    "€�‚ƒ„…†‡ˆ‰Š‹Œ�Ž��‘’“”•–—˜™š›œ�žŸ�¡¢£¤¥¦§¨©ª«¬�®¯°±²³´µ¶·¸¹º»¼½¾¿" +
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
  "windows-1251":
    "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—�™љ›њќћџ�ЎўЈ¤Ґ¦§Ё©Є«¬�®Ї°±Ііґµ¶·ё№є»јЅѕї" +
    "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя",
  "windows-1250":
    "€�‚�„…†‡�‰Š‹ŚŤŽŹ�‘’“”•–—�™š›śťžź�ˇ˘Ł¤Ą¦§¨©Ş«¬�®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż" +
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  "windows-1253":
    "€�‚ƒ„…†‡�‰�‹�����‘’“”•–—�™�›�����΅Ά£¤¥¦§¨©ª«¬�®\u2015°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ" +
    "ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ",
  "windows-1254":
    "€�‚ƒ„…†‡ˆ‰Š‹Œ����‘’“”•–—˜™š›œ��Ÿ�¡¢£¤¥¦§¨©ª«¬�®¯°±²³´µ¶·¸¹º»¼½¾¿" +
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞßàáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
  "windows-1257":
    "€�‚�„…†‡�‰�‹�¨ˇ¸�‘’“”•–—�™�›�¯˛��¡¢£¤¥¦§Ø©Ŗ«¬�®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ" +
    "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
  "iso-8859-2":
    "���������������������������������Ą˘Ł¤ĽŚ§¨ŠŞŤŹ�ŽŻ°ą˛ł´ľśˇ¸šşťź˝žż" +
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  macroman:
    "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø" +
    "¿¡¬√ƒ≈∆«»…\xa0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
  cp437:
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
} as const;

type EncodingName = keyof typeof upperHalves;

export interface SingleByteEncoding {
  readonly name: EncodingName;
  /** Its unassigned bytes were lost: U+FFFD in the text stands for one of them and is written as byte 0x1A. */
  readonly lossy: boolean;
  /** Byte -> character. */
  readonly characters: readonly string[];
  /** Character -> byte. */
  readonly bytes: ReadonlyMap<string, number>;
}

/** In the order in which ftfy tries them. */
export const singleByteEncodings: readonly SingleByteEncoding[] = Object.entries(upperHalves).map(([name, upper]) => {
  const lossy = name.startsWith("windows-");
  const characters = Array.from({ length: 256 }, (_, byte) => {
    const character = upper[byte - 0x80] ?? "\ufffd";
    return character === "\ufffd" ? String.fromCharCode(byte) : character;
  });
  if (lossy) characters[0x1a] = "\ufffd";
  return {
    name: name as EncodingName,
    lossy,
    characters,
    bytes: new Map(characters.map((character, byte) => [character, byte])),
  };
});

/** @returns `text` as bytes, one UTF-16 unit each; undefined if a character has no byte. */
export function encodeSingleByte(text: string, encoding: SingleByteEncoding): string | undefined {
  let result = "";
  for (const character of text) {
    const byte = encoding.bytes.get(character);
    if (byte === undefined) return undefined;
    result += String.fromCharCode(byte);
  }
  return result;
}
