/**
 * @module run/library-words
 * Sentences name options as the command line does (`--stage-1-steps 9`). A program knows them as `stage1Steps: 9`: at the
 * library's door they are renamed, once, in errors and in notes.
 */

import { IfGenError } from "../errors.ts";
import { jobOptionNames } from "./job-options.ts";
import { librarySettingNames } from "./library-settings.ts";

/** What a command line says otherwise. */
const others: Readonly<Record<string, string>> = {
  "--no-watermark": "watermark: false",
  "--no-clean-caption": "cleanCaption: false",
  "--no-paste-back": "pasteBack: false",
  "--dry-run": "download: false",
  "--rect": "maskRect",
};

/** A value behind an option, as sentences have them: a number, one of the words that options take, a file of an example. */
const value =
  /(?: (\d[\d.]*|auto|cpu|cuda|webgpu|fp32|fp16|8bit|off|black|blur|int8|float32|colab|machine|[\w-]+\.(?:jpg|png))\b)?/
    .source;

const option = new RegExp(`--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)${value}`, "g");

/** @returns `text` with `stage1Steps: 9` for `--stage-1-steps 9`. */
export function inLibraryWords(text: string): string {
  return text.replace(option, (whole, name: string, given: string | undefined) => {
    const renamed = others[`--${name}`];
    if (renamed !== undefined) return whole.replace(`--${name}`, renamed);
    const key = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    if (!jobOptionNames.includes(key) && !librarySettingNames.includes(key)) return whole;
    if (given === undefined) return key;
    return `${key}: ${/^[\d.]+$/.test(given) ? given : JSON.stringify(given)}`;
  });
}

/** Runs `work`; errors of this program that it throws speak of options as a program knows them. */
export async function withLibraryWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof IfGenError) error.message = inLibraryWords(error.message);
    throw error;
  }
}
