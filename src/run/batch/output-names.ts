/**
 * @module run/batch/output-names
 * Names of images from a template, safe on every file system: `{index}-{prompt:40}` -> `000007-a-red-circle.png`.
 */

import { createHash } from "node:crypto";
import { extname } from "node:path";
import { UsageError } from "../../errors.ts";
import { type ImageFormat, extensionOf, formatOfName, imageExtensions } from "../../image/formats.ts";
import { promptOf } from "../../plan/prompts.ts";
import type { Request } from "../../plan/request.ts";
import { nearestName } from "../../weights/nearest-name.ts";

export const DEFAULT_TEMPLATE = "{index}-{prompt:40}";

/** What a name may say of a job. */
export interface NamedJob {
  /** From 1, over all jobs of the batch. */
  readonly index: number;
  readonly line: number;
  readonly request: Request;
  /** Of the batch's start, YYYY-MM-DD. */
  readonly date: string;
}

const fields: Readonly<Record<string, (job: NamedJob) => string>> = {
  index: ({ index }) => String(index).padStart(6, "0"),
  line: ({ line }) => String(line).padStart(6, "0"),
  seed: ({ request }) => String(request.seed),
  prompt: ({ request }) => promptOf(request),
  hash: ({ request }) => requestKey(request).slice(0, 12),
  date: ({ date }) => date,
  model: ({ request }) => request.model,
  command: ({ request }) => request.command,
};

/** File names of common disks have at most 255 bytes; a number and the ending follow. */
const MAX_PART_BYTES = 200;

/** @returns the same text for requests that draw the same image. */
export const requestKey = (request: Request): string =>
  createHash("sha256").update(JSON.stringify(request)).digest("hex");

/** @returns the same also for another GPU: any worker goes on with the finished stages of one that was killed. */
export function workKey(request: Request): string {
  const { deviceId: _, ...anywhere } = request;
  return requestKey(anywhere);
}

type OutputName = (job: NamedJob) => string;

/**
 * @param template text with fields in braces, a length after a colon: `{prompt:40}`; a slash makes a folder.
 * @param format   of the files; absent: as the template ends, or PNG.
 * @returns a job's path below the output folder, with `/` between folders, ending as its format does.
 * @throws {UsageError} a field does not exist, or the path would leave the folder.
 */
export function compileTemplate(template: string, format?: ImageFormat): OutputName {
  const ending = formatOfName(template) ? extname(template) : "";
  const extension = format === undefined ? ending || extensionOf("png") : extensionOf(format);
  const parts = template.slice(0, template.length - ending.length).split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new UsageError(`--output-name ${template}: give a path below the output folder, such as {date}/{index}.`);
  }
  const compiled = parts.map((part) => compilePart(part, template));
  return (job) => `${compiled.map((nameOf) => safeName(nameOf(job))).join("/")}${extension}`;
}

function compilePart(part: string, template: string): OutputName {
  const pieces = part.split(/(\{[^{}]*\})/).map((piece): OutputName => {
    const [, name, length] = /^\{(\w+)(?::(\d{1,3}))?\}$/.exec(piece) ?? [];
    if (name === undefined && !/[{}]/.test(piece)) return () => piece;
    const field = fields[name ?? ""];
    if (!field) throw noSuchField(piece, template);
    return (job) => firstLetters(cleaned(field(job)), length === undefined ? Infinity : Number(length));
  });
  return (job) => pieces.map((nameOf) => nameOf(job)).join("");
}

function noSuchField(piece: string, template: string): UsageError {
  const names = Object.keys(fields);
  const near = nearestName(piece.replace(/[{}]/g, "").replace(/:.*/, ""), names);
  const hint = near === undefined ? `there are ${names.join(", ")}` : `did you mean {${near}}?`;
  return new UsageError(`--output-name ${template}: ${piece} is no field; ${hint}${near === undefined ? "." : ""}`);
}

/** Letters and digits of any language, points and underscores; all else becomes one dash. */
const cleaned = (text: string): string =>
  text
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}._]+/gu, "-")
    .replace(/^-+|-+$/g, "");

/** As people count them: a letter with its accents is one. */
const lettersOf = (text: string): string[] => Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
const firstLetters = (text: string, count: number): string =>
  text.length <= count ? text : lettersOf(text).slice(0, count).join("");

const reserved = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** A name that Windows, macOS and Linux all take. */
function safeName(name: string): string {
  let safe = name.replace(/[<>:"\\|?*\p{Cc}]+/gu, "-").replace(/^[-\s.]+|[-\s.]+$/g, "");
  while (Buffer.byteLength(safe) > MAX_PART_BYTES) safe = firstLetters(safe, lettersOf(safe).length - 1);
  if (safe === "") return "_";
  return reserved.test(safe) ? `_${safe}` : safe;
}

/** @returns the path a job gives itself, checked as a template's is. @throws {UsageError} as compileTemplate. */
export function checkedOutput(output: unknown): string {
  if (typeof output !== "string" || !formatOfName(output)) {
    throw new UsageError(`output: give a file name that ends in ${imageExtensions.join(", ")}.`);
  }
  if (!isOutputPath(output)) {
    throw new UsageError(`output: ${output} would leave the output folder; give a name below it.`);
  }
  return output;
}

/** Does a path stay below the folder that it is taken from? */
export const isOutputPath = (path: string): boolean =>
  !path.startsWith("/") && !path.split(/[/\\]/).includes("..") && !/\p{Cc}/u.test(path);
