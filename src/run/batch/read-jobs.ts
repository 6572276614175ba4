/**
 * @module run/batch/read-jobs
 * A file of jobs -> the options of each: JSON, one object a line; CSV with a header; or plain prompts, one a line. A line that
 * cannot be understood is handed on as its error; only what makes the whole file meaningless is thrown.
 */

import { type ZodType, z } from "zod";
import { UsageError } from "../../errors.ts";
import { commandNames } from "../../plan/choices.ts";
import { nearestName } from "../../weights/nearest-name.ts";
import { jobOptionNames, jobOptionsSchema } from "../job-options.ts";
import { type Line, readLines } from "./read-lines.ts";

export const jobFormats = ["jsonl", "csv", "text"] as const;
export type JobFormat = (typeof jobFormats)[number];

/** What a job of a file may say beside the options of a drawing. */
const batchOptions = {
  /** `1..16`, `1,5,10-14`, or a list of numbers: a job for each. */
  seeds: z.union([z.string(), z.array(z.int().nonnegative())]).optional(),
  /** The image's own path below the output folder. */
  output: z.string().optional(),
  /** Absent: what the job starts from tells. */
  command: z.enum(commandNames).optional(),
  /** An image whose metadata say what is drawn again, but for what the job says itself. */
  fromImage: z.string().min(1).optional(),
};
const batchOptionNames: readonly string[] = Object.keys(batchOptions);

/** One line of a file of jobs in JSON; names may be written as the command line's options too. */
export const batchJobSchema = jobOptionsSchema.extend(batchOptions);

export type GivenOptions = Readonly<Record<string, unknown>>;

/** One line: options by their names in camelCase, or what is wrong with it. */
export type ReadJob =
  { readonly line: number; readonly options: GivenOptions } | { readonly line: number; readonly error: UsageError };

export interface JobSource {
  /** For errors: the file's path, or `standard input`. */
  readonly name: string;
  /** Absent: what the name's end or the first letter says. */
  readonly format?: JobFormat | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** @throws {UsageError} the file is not UTF-8, is no list of jobs, or its CSV header names an unknown option. */
export async function* readJobs({ name, format, bytes }: JobSource): AsyncGenerator<ReadJob, void> {
  const chosen = format ?? formatOfName(name);
  if (chosen === "csv") yield* readCsv(bytes, name);
  else yield* readEachLine(readLines(bytes, name), name, chosen);
}

function formatOfName(name: string): JobFormat | undefined {
  if (/\.(jsonl|ndjson|json)$/i.test(name)) return "jsonl";
  if (/\.csv$/i.test(name)) return "csv";
  return /\.(txt|text)$/i.test(name) ? "text" : undefined;
}

async function* readEachLine(
  lines: AsyncIterable<Line>,
  name: string,
  format: JobFormat | undefined,
): AsyncGenerator<ReadJob, void> {
  let chosen = format;
  let isFirst = true;
  for await (const { number: line, text } of lines) {
    const trimmed = text.trim();
    if (trimmed === "") continue;
    chosen ??= trimmed.startsWith("{") && trimmed.endsWith("}") && isObject(trimmed) ? "jsonl" : "text";
    if (isFirst && chosen === "jsonl" && trimmed.startsWith("[")) {
      throw new UsageError(
        `${name} is one JSON list; write its objects one a line, without brackets and commas around.`,
      );
    }
    isFirst = false;
    yield chosen === "text" ? { line, options: { prompt: trimmed } } : jobOfJson(line, trimmed);
  }
}

const isObject = (text: string): boolean => "options" in jobOfJson(0, text);

function jobOfJson(line: number, text: string): ReadJob {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return { line, error: new UsageError(`this is no JSON object: ${(cause as Error).message}.`, { cause }) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { line, error: new UsageError('a job is a JSON object, such as {"prompt": "a red circle"}.') };
  }
  const options: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    const option = camelCase(key);
    if (Object.hasOwn(options, option)) return { line, error: new UsageError(`${key} is given twice.`) };
    options[option] = given;
  }
  return { line, options };
}

/** `stage-1-steps` and `--stage-1-steps` -> `stage1Steps`. */
function camelCase(key: string): string {
  return key.replace(/^--/, "").replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

async function* readCsv(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<ReadJob, void> {
  const { parse } = await import("csv-parse"); // others need none of it
  const { Readable } = await import("node:stream");
  const text = async function* (): AsyncGenerator<string> {
    for await (const { text: line } of readLines(bytes, name)) yield `${line}\n`;
  };
  const parser = Readable.from(text()).pipe(
    parse({ info: true, skip_empty_lines: true, relax_column_count: true, max_record_size: 1_000_000 }),
  );
  let header: readonly string[] | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      if (header) yield jobOfCells(info.lines, header, record);
      else header = headerOf(record, name);
    }
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`${name} is no CSV: ${(cause as Error).message}.`, { cause });
  }
}

function headerOf(cells: readonly string[], name: string): readonly string[] {
  const names = cells.map((cell) => camelCase(cell.trim()));
  const optionNames = [...jobOptionNames, ...batchOptionNames];
  const unknown = names.find((one) => !optionNames.includes(one));
  if (unknown !== undefined) {
    const near = nearestName(unknown, optionNames);
    throw new UsageError(
      `${name}: its first line names the options of the columns, but there is no option ${unknown}` +
        (near === undefined
          ? "; they are prompt, seed, output and other long options of txt2img."
          : `; did you mean ${near}?`),
    );
  }
  const twice = names.find((one, index) => names.indexOf(one) !== index);
  if (twice !== undefined) throw new UsageError(`${name}: two columns are called ${twice}.`);
  return names;
}

function jobOfCells(line: number, header: readonly string[], cells: readonly string[]): ReadJob {
  if (cells.length !== header.length) {
    return {
      line,
      error: new UsageError(
        `it has ${cells.length} cells and the first line ${header.length}; put texts with commas in quotes.`,
      ),
    };
  }
  const given = header.flatMap((name, index) => {
    const cell = cells[index]?.trim() ?? "";
    return cell === "" ? [] : [[name, valueOf(name, cell)] as const];
  });
  return { line, options: Object.fromEntries(given) };
}

/** A cell is text, unless its option takes none: then a number, `true` or a list. */
function valueOf(name: string, cell: string): unknown {
  const schema = (jobOptionsSchema.shape as Readonly<Record<string, ZodType>>)[name];
  if (!schema || schema.safeParse(cell).success) return cell;
  try {
    return JSON.parse(cell) as unknown;
  } catch {
    return cell; // checked, and explained, with the other options
  }
}
