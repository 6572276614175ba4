/**
 * @module run/batch/manifest
 * `manifest.jsonl`: one line per job that ended, drawn or failed, only ever added to. A later line about a job takes the place
 * of an earlier one; a last line that was cut off by a kill is not counted.
 */

import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { OutputError, UsageError, whyNotWritten } from "../../errors.ts";
import { safetyReport } from "../../executor/protocol.ts";
import { stageSchema } from "../../plan/plan.ts";
import { requestSchema } from "../../plan/request.ts";
import { readLines } from "./read-lines.ts";

export const manifestEntry = z.strictObject({
  /** From 1, over all jobs of the batch. */
  index: z.int().positive(),
  /** Of the file of jobs. */
  line: z.int().positive(),
  status: z.enum(["drawn", "failed"]),
  /** Of the request; absent: the line made none. */
  key: z.string().exactOptional(),
  /** Paths below the output folder, and what is in the files. */
  files: z.array(z.strictObject({ path: z.string(), sha256: z.string() })),
  request: requestSchema.exactOptional(),
  /** The settings of the stages that drew it. */
  stages: z.array(stageSchema).exactOptional(),
  provider: z.string().exactOptional(),
  /** The job's share of each stage's time. */
  seconds: z.record(z.string(), z.number()).exactOptional(),
  notes: z.array(z.string()).exactOptional(),
  safety: safetyReport.exactOptional(),
  error: z.strictObject({ code: z.string(), message: z.string() }).exactOptional(),
  /** When it ended, in ISO 8601. */
  at: z.string(),
});
export type ManifestEntry = z.infer<typeof manifestEntry>;

export class Manifest {
  readonly path: string;
  readonly #file: FileHandle;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** @throws {OutputError} it cannot be opened or written to. */
  static async open(path: string): Promise<Manifest> {
    try {
      const file = await open(path, "a+");
      const { size } = await file.stat();
      const last = Buffer.alloc(1);
      if (size > 0) await file.read(last, 0, 1, size - 1);
      if (size > 0 && last.toString() !== "\n") await file.appendFile("\n"); // a line that was cut off stays alone
      return new Manifest(path, file);
    } catch (cause) {
      throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
    }
  }

  /** Resolves when the line is on the disk. @throws {OutputError} it cannot be written. */
  add(entry: ManifestEntry): Promise<void> {
    const written = this.#writing.then(() => this.#append(`${JSON.stringify(entry)}\n`));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #append(line: string): Promise<void> {
    try {
      await this.#file.appendFile(line);
      await this.#file.datasync();
    } catch (cause) {
      throw new OutputError(`${this.path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
    }
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }
}

/**
 * @returns the entries in the order in which they were written, without those that a kill cut off; of a file that does not
 * exist none.
 * @throws {UsageError} a line is nothing that a batch writes: says which.
 */
export const readManifest = (path: string): AsyncGenerator<ManifestEntry, void> => readEntries(path, manifestEntry);

const ending = z.object({
  index: z.int().positive(),
  status: manifestEntry.shape.status,
  key: z.string().exactOptional(),
});

/** As {@link readManifest}, of each entry what tells whether its job is drawn: going on with a million jobs checks no more. */
export const readEndings = (path: string): AsyncGenerator<z.infer<typeof ending>, void> => readEntries(path, ending);

async function* readEntries<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T, void> {
  for await (const { number, text } of readLines(bytesOf(path), path)) {
    const entry = entryOf(text, schema);
    if (entry !== undefined) yield entry;
    else if (!isBeginning(text)) throw notOurs(path, number);
  }
}

/** How every entry begins. */
const BEGINNING = '{"index":';
const isBeginning = (text: string): boolean => BEGINNING.startsWith(text.slice(0, BEGINNING.length));

function entryOf<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const notOurs = (path: string, line: number): UsageError =>
  new UsageError(`${path}, line ${line}, is no manifest of if-gen batch; give another --output-dir.`);

async function* bytesOf(path: string): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Uint8Array;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new OutputError(`${path} cannot be read: ${whyNotWritten(cause)}.`, { cause });
  }
}

/** Which jobs are drawn, by their numbers: 4 bytes each, so that a million of them take no room. */
export class DrawnJobs {
  #keys = new Uint32Array(1024);

  set({ index, status, key }: Pick<ManifestEntry, "index" | "status" | "key">): void {
    if (index >= this.#keys.length) {
      const larger = new Uint32Array(Math.max(index + 1, 2 * this.#keys.length));
      larger.set(this.#keys);
      this.#keys = larger;
    }
    this.#keys[index] = status === "drawn" && key !== undefined ? shortened(key) : 0;
  }

  /** Is the job drawn, and was it the same request? */
  has(index: number, key: string): boolean {
    return this.#keys[index] === shortened(key);
  }
}

/** Never 0, which stands for none. */
const shortened = (key: string): number => (Number.parseInt(key.slice(0, 8), 16) | 1) >>> 0;
