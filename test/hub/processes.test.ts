/** Pulls in processes of their own: ended at any byte, and two at once. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { downloadFiles } from "../../src/hub/download-files.ts";
import { missingBytes } from "../../src/hub/missing-bytes.ts";
import { machineMark } from "../../src/files/draft.ts";
import type { HubSettings } from "../../src/hub/types.ts";
import { verifyFiles } from "../../src/hub/verify-files.ts";
import { blobsFolder, filesBelow, listed, repo, settingsFor, temporaryFolder } from "./cache.ts";
import { commit, etagOf, servedFile, startHub, type ServedFile, type TestHub } from "./server.ts";

const script = fileURLToPath(new URL("pull.mjs", import.meta.url));
const source = fileURLToPath(new URL("../../src/hub", import.meta.url));
const built = fileURLToPath(new URL("../../dist/hub", import.meta.url));

const served: readonly ServedFile[] = [
  servedFile("unet/config.json", 1653, false),
  servedFile("unet/model.safetensors", 200_000),
  servedFile("text_encoder/model.safetensors", 60_000),
  servedFile("tokenizer/spiece.model", 9000),
];
const totalBytes = served.reduce((sum, { content }) => sum + content.length, 0);

beforeAll(() => {
  const newest = (folder: string): number =>
    existsSync(folder) ? Math.max(...readdirSync(folder).map((name) => statSync(join(folder, name)).mtimeMs)) : 0;
  if (newest(built) < newest(source)) throw new Error("dist/hub is older than src/hub; run npm run build first");
});

async function start(): Promise<{ hub: TestHub; settings: HubSettings }> {
  const hub = await startHub();
  hub.repos.set(repo, { files: [...served], refs: { main: commit } });
  return { hub, settings: settingsFor(hub, await temporaryFolder()) };
}

function pullInChild(settings: HubSettings): ChildProcess {
  const child = spawn(process.execPath, [script, JSON.stringify(settings), repo, "main"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function resultOf(child: ChildProcess): Promise<{ paths?: string[]; code?: string }> {
  const [output] = await Promise.all([text(child.stdout ?? expect.fail()), once(child, "exit")]);
  return JSON.parse(output) as { paths?: string[]; code?: string };
}

/** Nothing in the cache may ever be found that is not right; unfinished things are allowed. */
async function expectNothingWrong(settings: HubSettings): Promise<void> {
  const results = await verifyFiles(settings, repo, commit, served.map(listed));
  expect(results.filter(({ ok, reason }) => !ok && reason !== "missing")).toEqual([]);
  const blobs = existsSync(blobsFolder(settings)) ? readdirSync(blobsFolder(settings)) : [];
  for (const file of served) {
    if (blobs.includes(etagOf(file)))
      expect(statSync(join(blobsFolder(settings), etagOf(file))).size).toBe(file.content.length);
  }
}

async function expectAllRight(settings: HubSettings): Promise<void> {
  const results = await verifyFiles(settings, repo, commit, served.map(listed));
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  expect(readdirSync(blobsFolder(settings)).toSorted()).toEqual(served.map(etagOf).toSorted()); // one copy, nothing else
}

/** Files that a killed pull left with some of their bytes on the disk, but not all. */
function begunFiles(settings: HubSettings): typeof served {
  return served.filter((file) => {
    const path = join(blobsFolder(settings), `${etagOf(file)}.incomplete`);
    const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return bytes > 0 && bytes < file.content.length;
  });
}

/** 0 … 1, the same for every run. */
function fraction(seed: number): number {
  return ((Math.imul(seed + 1, 2654435761) >>> 0) % 1000) / 1000; // Knuth's multiplicative hash
}

test("killed at 16 moments of a pull: the next one is right, and uses what arrived", async () => {
  let [kills, begun] = [0, 0];
  for (let round = 0; round < 8; round++) {
    const { hub, settings } = await start();
    hub.faults.pieceMs = 8; // slow enough that what is sent also reaches the disk
    for (const seed of [round, round + 8]) {
      // twice over one cache, from the first byte to just after the last one
      const moment = fraction(seed) * missingBytes(settings, repo, { commit, files: served.map(listed) });
      let sent = 0;
      const child = pullInChild(settings);
      let lastBytes = -1;
      hub.faults.onPiece = (sentBytes) => {
        sent += lastBytes === -1 ? 0 : sentBytes - lastBytes;
        lastBytes = sentBytes;
        if (sent >= moment) child.kill("SIGKILL");
      };
      await once(child, "exit");
      hub.faults.onPiece = undefined;
      if (child.signalCode === "SIGKILL") kills++;
      await expectNothingWrong(settings);
    }
    const partial = begunFiles(settings).length > 0;
    if (partial) begun++;
    hub.seen.length = 0;
    hub.faults.pieceMs = undefined;
    await downloadFiles(settings, repo, "main", () => true);
    expect(hub.seen.some(({ headers }) => headers.range !== undefined)).toBe(partial);
    await expectAllRight(settings);
  }
  expect(kills).toBeGreaterThan(12); // a kill may come just after the end
  expect(begun).toBeGreaterThan(0);
});

test("what a process left that was killed between two names is removed, a running one's is not", async () => {
  const { settings } = await start();
  await downloadFiles(settings, repo, "main", () => true);
  const [dead = "", alive = ""] = [2 ** 22 + 1, process.pid].map(
    (pid) => `.if-gen-${machineMark()}-${pid}-0123abcd.tmp`,
  );
  const locks = join(settings.cacheFolder, ".locks", `models--${repo.replace("/", "--")}`);
  for (const name of [dead, alive]) writeFileSync(join(blobsFolder(settings), name), commit); // numbers go up to 2^22
  writeFileSync(join(locks, dead), "{}");
  await downloadFiles(settings, repo, "main", () => true);
  expect(readdirSync(locks)).not.toContain(dead);
  const left = readdirSync(blobsFolder(settings));
  expect(left).toContain(alive);
  expect(left).not.toContain(dead);
});

test("two at once: one copy, both right, no byte sent twice", async () => {
  const { hub, settings } = await start();
  hub.faults.pieceMs = 15; // 25 pieces: long enough for both to meet
  const children = [pullInChild(settings), pullInChild(settings)];
  const results = await Promise.all(children.map(resultOf));
  expect(results.map(({ code }) => code)).toEqual([undefined, undefined]);
  expect(results[0]?.paths).toEqual(results[1]?.paths);
  expect(results[0]?.paths).toHaveLength(served.length);
  await expectAllRight(settings);
  const locks = filesBelow(join(settings.cacheFolder, ".locks"));
  expect(locks.filter((name) => !name.endsWith(".checked"))).toEqual([]);
  const contentAnswers = hub.seen.filter(({ host, path }) => host === "store" || path.endsWith(".json"));
  expect(contentAnswers).toHaveLength(served.length);
});

test("one of two is killed: the other takes over where it was", async () => {
  const { hub, settings } = await start();
  hub.faults.pieceMs = 15;
  const children = [pullInChild(settings), pullInChild(settings)] as const;
  hub.faults.onPiece = (sentBytes) => void (sentBytes > totalBytes / 2 && children[0].kill("SIGKILL"));
  const [, result] = await Promise.all([once(children[0], "exit"), resultOf(children[1])]);
  expect(result.paths).toHaveLength(served.length);
  await expectAllRight(settings);
});
