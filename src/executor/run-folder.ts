/**
 * @module executor/run-folder
 * What `--run-dir` holds, so that a run that was ended at any moment can go on: what was asked for, and of each job and
 * stage that is finished the files with their checksums and the generator's state after it, all in one manifest that is
 * replaced whole. A stage of a job counts as done only when it stands there and its files are still what they were.
 */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { hashFile } from "../files/hash-file.ts";
import { OutputError, UsageError } from "../errors.ts";
import { makeFolder } from "../files/make-folder.ts";
import { type JsonLimits, readJsonFile } from "../files/json.ts";
import { replaceFile } from "../files/replace-file.ts";
import { writing } from "../files/writing.ts";
import { type RunLock, takeLock } from "./run-lock.ts";
import { type Plan, lowMemorySchema } from "../plan/plan.ts";
import { type Request, requestSchema } from "../plan/request.ts";
import { type StageName, stageNames } from "../plan/stages.ts";

const MANIFEST = "run.json";

const finishedStage = z.strictObject({
  stage: z.enum(stageNames),
  /** The job's place in the plan. */
  job: z.int(),
  /** Absolute path, or a path inside the folder -> sha256. */
  files: z.record(z.string(), z.string()),
  generatorState: z.string().exactOptional(),
});
const manifest = z.strictObject({
  format: z.literal(2),
  /** Of the plan as JSON. */
  plan: z.string(),
  requests: z.array(requestSchema).min(1),
  lowMemory: z.partialRecord(z.enum(stageNames), lowMemorySchema),
  finished: z.array(finishedStage),
});
type Manifest = z.infer<typeof manifest>;

export type FinishedStage = z.infer<typeof finishedStage>;

/** What a resumed command takes from its run. */
export type RunRecord = Readonly<Pick<Manifest, "requests" | "lowMemory">>;

/** Where a job's files lie. */
export const jobFolder = (folder: string, job: number): string => join(folder, `job-${job + 1}`);

export class RunFolder {
  readonly path: string;
  readonly #lock: RunLock;
  #manifest: Manifest;
  /** Writes take turns: jobs may finish faster than they are recorded. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(path: string, lock: RunLock, content: Manifest) {
    this.path = path;
    this.#lock = lock;
    this.#manifest = content;
  }

  /**
   * Starts a run in `folder`, or goes on with the one that is there.
   * @throws {UsageError}  `resume` and there is a run of another plan; or no `resume` and there is any run.
   * @throws {OutputError} the folder cannot be made, read or written to.
   */
  static async open(
    folder: string,
    plan: Plan,
    requests: readonly Request[],
    { resume }: { resume: boolean },
  ): Promise<RunFolder> {
    const path = resolve(folder);
    await writing(`the run folder ${path}`, () => makeFolder(path));
    const lock = await takeLock(path, "--run-dir");
    try {
      return await RunFolder.#openLocked(path, plan, requests, resume, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #openLocked(
    path: string,
    plan: Plan,
    requests: readonly Request[],
    resume: boolean,
    lock: RunLock,
  ): Promise<RunFolder> {
    const found = await readManifestFile(path);
    if (found && !resume) {
      throw new UsageError(`${path} holds a run already; add --resume to go on with it, or give another --run-dir.`);
    }
    if (found && found.plan !== planKey(plan)) {
      throw new UsageError(
        `${path} holds a run with other settings; repeat its command with --resume, or give another --run-dir.`,
      );
    }
    const { lowMemory } = plan;
    const run = new RunFolder(
      path,
      lock,
      found ?? { format: 2, plan: planKey(plan), requests: [...requests], lowMemory, finished: [] },
    );
    await writing(`the run folder ${path}`, () => run.#write());
    return run;
  }

  /** Lets another run take the folder. */
  close(): Promise<void> {
    return this.#lock.release();
  }

  /** @returns the stage of a job as it was recorded, if all its files are still there and whole. */
  async finished(stage: StageName, job: number): Promise<FinishedStage | undefined> {
    const found = this.#manifest.finished.find((entry) => entry.stage === stage && entry.job === job);
    if (!found) return undefined;
    for (const [file, checksum] of Object.entries(found.files)) {
      if ((await sha256(resolve(this.path, file))) !== checksum) return undefined;
    }
    return found;
  }

  /** A stage that is run again makes those of the same job after it worthless. */
  async forget(job: number, stages: readonly StageName[]): Promise<void> {
    const finished = this.#manifest.finished.filter((entry) => entry.job !== job || !stages.includes(entry.stage));
    if (finished.length === this.#manifest.finished.length) return;
    this.#manifest = { ...this.#manifest, finished };
    await this.#save();
  }

  /** @param files absolute paths. @throws {OutputError} the manifest cannot be written. */
  async record(
    stage: StageName,
    job: number,
    files: readonly string[],
    generatorState: string | undefined,
  ): Promise<void> {
    const entries: [string, string][] = [];
    for (const file of files) {
      const checksum = await sha256(file);
      if (checksum === undefined) throw new OutputError(`${file}, which ${stage} has just written, cannot be read.`);
      entries.push([this.#name(file), checksum]);
    }
    const entry = { stage, job, files: Object.fromEntries(entries), ...(generatorState ? { generatorState } : {}) };
    this.#manifest = { ...this.#manifest, finished: [...this.#manifest.finished, entry] };
    await this.#save();
  }

  /** A folder may be moved with what is in it: only files outside are known by their absolute path. */
  #name(file: string): string {
    const inside = relative(this.path, file);
    return inside.startsWith(`..${sep}`) || resolve(inside) === inside ? file : inside;
  }

  #save(): Promise<void> {
    const saved = this.#writing.then(() => writing(`the run folder ${this.path}`, () => this.#write()));
    this.#writing = saved.catch(() => undefined);
    return saved;
  }

  #write(): Promise<void> {
    return replaceFile(join(this.path, MANIFEST), `${JSON.stringify(this.#manifest, null, 2)}\n`);
  }
}

/** @returns undefined when there is no run in the folder. @throws as RunFolder.open. */
export function readRunRecord(folder: string): Promise<RunRecord | undefined> {
  return readManifestFile(resolve(folder));
}

/**
 * Notes, the reasons for a provider, how many jobs are drawn at once and in how many processes, and what is loaded early change
 * no image, and the low-memory modes are those of the first run.
 */
function planKey(plan: Plan): string {
  const free: readonly string[] = [
    "notes",
    "lowMemory",
    "jobsAtOnce",
    "processes",
    "provider",
    "ahead",
    "loadedAhead",
  ] satisfies (keyof Plan)[];
  const bound = Object.entries(plan).filter(([key]) => !free.includes(key));
  return createHash("sha256").update(JSON.stringify(bound)).digest("hex");
}

/** Some hundred bytes a stage of a job, of thousands of jobs. */
const manifestLimits: JsonLimits = { maxBytes: 128_000_000, maxDepth: 16, maxValues: 4_000_000 };

async function readManifestFile(path: string): Promise<Manifest | undefined> {
  const file = join(path, MANIFEST);
  if (!existsSync(file)) return undefined;
  let json: unknown;
  try {
    json = await readJsonFile(file, manifestLimits, OutputError);
  } catch (cause) {
    throw new OutputError(`${(cause as Error).message.replace(/\.$/, "")}; give another --run-dir.`, { cause });
  }
  const parsed = manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${file} is not of this version of if-gen; give another --run-dir.`);
}

async function sha256(file: string): Promise<string | undefined> {
  try {
    if (!(await stat(file)).isFile()) return undefined; // a pipe would never end
    return await hashFile(file);
  } catch {
    return undefined; // gone or unreadable: not whole
  }
}
