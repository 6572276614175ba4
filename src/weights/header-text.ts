/**
 * @module weights/header-text
 * What JSON.parse lets through and the safetensors format does not: a key given twice (the last one would win
 * silently), numbers that are not plain digits, and strings that are not Unicode.
 */

import { quote } from "../text.ts";

const surrogate = /\p{Surrogate}/u;

/**
 * @param text valid JSON, i.e. JSON.parse took it.
 * @returns what is wrong as the end of a sentence, or undefined when nothing is.
 */
export function headerTextFault(text: string): string | undefined {
  const objects: Set<string>[] = []; // the keys of every object that is open at this point
  const hasEscapes = text.includes("\\");
  const mayBeBroken = hasEscapes || surrogate.test(text);
  let lastString = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') {
      const end = hasEscapes ? stringEnd(text, at) : text.indexOf('"', at + 1) + 1;
      lastString = decode(text.slice(at, end));
      if (mayBeBroken && surrogate.test(lastString)) return "has a string that is not valid Unicode";
      at = end - 1;
    } else if (char >= "0" && char <= "9") {
      continue; // most of a header
    } else if (char === "{") {
      objects.push(new Set());
    } else if (char === "}") {
      objects.pop();
    } else if (char === ":") {
      const keys = objects.at(-1);
      if (keys?.has(lastString)) return `gives the key ${quote(lastString)} twice`;
      keys?.add(lastString);
    } else if (char === "." || char === "-" || char === "e" || char === "E") {
      return "has a value that is neither a string nor a whole number";
    }
  }
  return undefined;
}

/** @returns the index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function decode(literal: string): string {
  return literal.includes("\\") ? (JSON.parse(literal) as string) : literal.slice(1, -1);
}
