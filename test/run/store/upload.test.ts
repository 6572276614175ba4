/** Images that go to a store: by the built program, on the tiny checkpoints, over HTTP. */

import { createHash } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ManifestEntry } from "../../../src/run/batch/manifest.ts";
import { finish, runCli, startCli, temporaryFolder } from "../../cli/run-cli.ts";
import { storedVariant } from "../../golden.ts";
import { smallModel } from "../../small-model.ts";
import { entriesOf } from "../batch/manifest-file.ts";
import { createRedis, hasRedis } from "../queue/redis-server.ts";
import { type S3Server, startS3 } from "./s3-server.ts";

vi.setConfig({ testTimeout: 300_000 });

const tiny = ["-m", smallModel(), "--variant", storedVariant, "--until", "64", "--stage-1-steps", "1"];
const drawing = [...tiny, "--safety", "off", "--execution-provider", "cpu"];

function writeJobs(folder: string): string {
  const file = join(folder, "jobs.jsonl");
  writeFileSync(file, ["a cat", "a dog"].map((prompt, seed) => JSON.stringify({ prompt, seed })).join("\n"));
  return file;
}

/** What the manifest says of each image, and what the store has. */
function bothSums(server: S3Server, entries: readonly ManifestEntry[]): [string[], string[]] {
  const files = entries.flatMap((entry) => entry.files);
  const stored = files.map(({ path }) =>
    createHash("sha256")
      .update(server.stored(`cats/${path}`))
      .digest("hex"),
  );
  return [files.map(({ sha256 }) => sha256).toSorted(), stored.toSorted()];
}

test("a batch's images go there, and none stays; what is there is drawn no more and not written over", async () => {
  const server = await startS3();
  const folder = temporaryFolder();
  const out = join(folder, "out");
  const batch = ["batch", writeJobs(folder), ...drawing, "--ram-budget", "4GB", "--upload-to", "s3://images/cats"];
  const run = (output: string, ...words: string[]) =>
    runCli([...batch, "--output-dir", output, ...words], { env: server.env });
  expect(await run(out)).toMatchObject({ code: 0 });
  expect(readdirSync(out).filter((name) => !name.startsWith("."))).toEqual(["manifest.jsonl"]);
  const [said, stored] = bothSums(server, await entriesOf(out));
  expect(said).toHaveLength(2);
  expect(stored).toEqual(said);
  expect(await run(out, "--resume")).toMatchObject({ code: 0, stderr: expect.stringContaining("2 drawn before") });
  const { code, stderr } = await run(join(folder, "other"));
  expect([code, stderr]).toEqual([11, expect.stringContaining("its image would be 000001-a-cat.png, but it exists")]);
});

describe.skipIf(!hasRedis)("with a Redis", () => {
  test("workers put images there, and find those that a worker left that could not say so", async () => {
    const [server, folder] = [await startS3(), temporaryFolder()];
    const redis = await createRedis(folder);
    onTestFinished(redis.kill);
    const queue = ["--queue", redis.url];
    const batch = async (name: string): Promise<ManifestEntry[]> => {
      const out = join(folder, name);
      const to = ["--output-dir", out, "--upload-to", "s3://images/cats", "--wait"];
      const waiting = finish(startCli(["batch", writeJobs(folder), ...to, ...drawing, ...queue]));
      const worker = startCli(["worker", ...queue, "--ram-budget", "4GB"], { env: server.env });
      expect(await waiting).toMatchObject({ code: 0 });
      worker.kill("SIGTERM");
      await finish(worker);
      return entriesOf(out);
    };
    const first = await batch("out");
    const [said, stored] = bothSums(server, first);
    expect(stored).toEqual(said);
    const again = await batch("again");
    expect(bothSums(server, again)).toEqual([said, said]);
    expect(again.flatMap(({ notes = [] }) => notes)).toEqual(Array(2).fill(expect.stringMatching(/^It was drawn by/)));
  });

  test("a worker that may not use its store takes no job", async () => {
    const [server, folder] = [await startS3(), temporaryFolder()];
    const redis = await createRedis(folder);
    onTestFinished(redis.kill);
    const words = ["worker", "--queue", redis.url, "--upload-to", "s3://dogs"];
    const { code, stderr } = await runCli(words, { env: server.env });
    expect([code, stderr]).toEqual([6, expect.stringContaining("there is no bucket dogs at 127.0.0.1:")]);
  });
});
