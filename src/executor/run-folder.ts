/**
 * @module executor/run-folder
 * What `--run-dir` holds, so that a run that was ended at any moment can go on: each finished stage's files with their
 * checksums and the generator's state after it, all in one manifest that is replaced whole. A stage counts as done only
 * when it stands there and its files are still what they were.
 */

import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { IfGenError, OutputError, UsageError, whyNotWritten } from "../errors.ts";
import type { Plan, StageName } from "../plan/plan.ts";

const MANIFEST = "run.json";

const finishedStage = z.strictObject({
  name: z.string(),
  /** Absolute path, or a name inside the folder -> sha256. */
  files: z.record(z.string(), z.string()),
  generatorState: z.string().exactOptional(),
});
const manifest = z.strictObject({
  format: z.literal(1),
  /** Of the plan as JSON. */
  plan: z.string(),
  seed: z.int(),
  thrift: z.record(
    z.string(),
    z.strictObject({ maxBatch: z.int().exactOptional(), stripBytes: z.int().exactOptional() }),
  ),
  stages: z.array(finishedStage),
});
type Manifest = z.infer<typeof manifest>;

export type FinishedStage = z.infer<typeof finishedStage>;

export class RunFolder {
  readonly path: string;
  #manifest: Manifest;

  private constructor(path: string, content: Manifest) {
    this.path = path;
    this.#manifest = content;
  }

  /**
   * Starts a run in `folder`, or goes on with the one that is there.
   * @throws {UsageError}  `resume` and there is a run of another plan; or no `resume` and there is any run.
   * @throws {OutputError} the folder cannot be made, read or written to.
   */
  static async open(folder: string, plan: Plan, { resume }: { resume: boolean }): Promise<RunFolder> {
    const path = resolve(folder);
    const known = await readManifestFile(path);
    if (known && !resume) {
      throw new UsageError(`${path} holds a run already; add --resume to go on with it, or give another --run-dir.`);
    }
    if (known && known.plan !== planKey(plan)) {
      throw new UsageError(
        `${path} holds a run with other settings; repeat its command with --resume, or give another --run-dir.`,
      );
    }
    const { seed, thrift = {} } = plan;
    const run = new RunFolder(
      path,
      known ?? { format: 1, plan: planKey(plan), seed, thrift: { ...thrift }, stages: [] },
    );
    await writing(path, async () => {
      await mkdir(path, { recursive: true });
      await run.#write();
    });
    return run;
  }

  /** @returns the stage as it was recorded, if all its files are still there and whole. */
  async finished(name: StageName): Promise<FinishedStage | undefined> {
    const stage = this.#manifest.stages.find((entry) => entry.name === name);
    if (!stage) return undefined;
    for (const [file, checksum] of Object.entries(stage.files)) {
      if ((await sha256(resolve(this.path, file))) !== checksum) return undefined;
    }
    return stage;
  }

  /** A stage that is run again makes those after it worthless. */
  async forgetFrom(names: readonly StageName[]): Promise<void> {
    const stages = this.#manifest.stages.filter(({ name }) => !(names as readonly string[]).includes(name));
    if (stages.length === this.#manifest.stages.length) return;
    this.#manifest = { ...this.#manifest, stages };
    await writing(this.path, () => this.#write());
  }

  /** @param files absolute paths. @throws {OutputError} the manifest cannot be written. */
  async record(name: StageName, files: readonly string[], generatorState: string | undefined): Promise<void> {
    const entries: [string, string][] = [];
    for (const file of files) {
      const checksum = await sha256(file);
      if (checksum === undefined) throw new OutputError(`${file}, which ${name} has just written, cannot be read.`);
      entries.push([join(this.path, basename(file)) === file ? basename(file) : file, checksum]);
    }
    const stage = { name, files: Object.fromEntries(entries), ...(generatorState ? { generatorState } : {}) };
    this.#manifest = { ...this.#manifest, stages: [...this.#manifest.stages, stage] };
    await writing(this.path, () => this.#write());
  }

  async #write(): Promise<void> {
    const temporary = join(this.path, `${MANIFEST}.tmp`);
    try {
      const handle = await open(temporary, "w");
      try {
        await handle.writeFile(`${JSON.stringify(this.#manifest, null, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, join(this.path, MANIFEST));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to tell
      throw error;
    }
  }
}

/** What a resumed command takes from its run. */
export type RunRecord = Readonly<Pick<Manifest, "seed" | "thrift">>;

/** @returns undefined when there is no run in the folder. @throws as RunFolder.open. */
export function readRunRecord(folder: string): Promise<RunRecord | undefined> {
  return readManifestFile(resolve(folder));
}

/** Notes and the reasons for a provider change no picture, and the thrift is that of the first run. */
function planKey(plan: Plan): string {
  const bound = Object.entries(plan).filter(([key]) => !["notes", "thrift", "provider"].includes(key));
  return createHash("sha256").update(JSON.stringify(bound)).digest("hex");
}

async function readManifestFile(path: string): Promise<Manifest | undefined> {
  const file = join(path, MANIFEST);
  if (!existsSync(file)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new OutputError(`${file} cannot be read: ${(cause as Error).message}; give another --run-dir.`, { cause });
  }
  const parsed = manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${file} is not of this version of if-gen; give another --run-dir.`);
}

async function sha256(file: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file), hash);
  } catch {
    return undefined; // gone or unreadable: not whole
  }
  return hash.digest("hex");
}

async function writing(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (cause instanceof IfGenError) throw cause;
    throw new OutputError(`the run folder ${path} cannot be written to: ${whyNotWritten(cause)}.`, { cause });
  }
}
