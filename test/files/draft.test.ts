import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { createSweeper, draftBeside, draftFolderIn, isAlive, machineMark, sweepDrafts } from "../../src/files/draft.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The number of a process that has ended. */
const gonePid = (): number => spawnSync(process.execPath, ["-e", ""]).pid;

test("what a killed process left is swept; a living one's, what another machine writes and other files stay", async () => {
  const folder = temporaryFolder();
  const [gone, mark] = [gonePid(), machineMark()];
  const old = `if-gen-00000000-${process.pid}-89abcdef`; // of an earlier boot
  const swept = [`.if-gen-${mark}-${gone}-0123abcd.tmp`, `if-gen-${mark}-${gone}-0123abcd`, `.${old}.tmp`, old];
  const kept = [
    basename(draftBeside(join(folder, "cat.png"))),
    basename(draftFolderIn(folder)),
    `.if-gen-00000000-${gone}-0123abcd.tmp`,
    `if-gen-${gone}.png`,
    ".cat.png.tmp",
  ];
  for (const name of [...swept, ...kept]) writeFileSync(join(folder, name), "");
  for (const name of swept.filter((one) => !one.startsWith("."))) {
    rmSync(join(folder, name));
    mkdirSync(join(folder, name, "job-1"), { recursive: true });
  }
  const young = "if-gen-00000000-1-76543210"; // a folder of another machine in which somebody wrote yesterday
  mkdirSync(join(folder, young, "job-1"), { recursive: true });
  kept.push(young);
  const days = (count: number): Date => new Date(Date.now() - count * 24 * 60 * 60 * 1000);
  for (const name of [`.${old}.tmp`, join(old, "job-1"), old, young]) utimesSync(join(folder, name), days(4), days(4));
  utimesSync(join(folder, young, "job-1"), days(1), days(1));
  await sweepDrafts(folder);
  expect(readdirSync(folder).sort()).toEqual([...kept].sort());
});

test("a folder that is not there is swept too", async () => {
  const folder = join(temporaryFolder(), "none");
  await sweepDrafts(folder);
  expect(existsSync(folder)).toBe(false);
});

test("names are short, new each time, and beside their file", () => {
  const path = join("/some/folder", `${"x".repeat(240)}.png`);
  const names = Array.from({ length: 100 }, () => draftBeside(path));
  expect(new Set(names).size).toBe(100);
  expect(names.every((name) => name.startsWith("/some/folder/.if-gen-") && basename(name).length < 60)).toBe(true);
});

test("this process is alive, one that ended is not", () => {
  expect(isAlive(process.pid)).toBe(true);
  expect(isAlive(gonePid())).toBe(false);
});

test.skipIf(process.platform !== "linux")(
  "a process that has ended and that nobody has waited for is not alive, whatever its name",
  async () => {
    const folder = temporaryFolder();
    const program = join(folder, "a) R (b");
    // a shell would wait for a child that ends before it has become something else
    const waits = '#!/bin/sh\nwhile [ "$(cat /proc/$PPID/comm)" != sleep ]; do :; done\n';
    writeFileSync(program, waits, { mode: 0o755 });
    // the shell becomes a `sleep` that never waits for its child
    const parent = spawn("sh", ["-c", '"$1" & echo $!; exec sleep 60', "sh", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void parent.kill("SIGKILL"));
    const pid = Number(String((await once(parent.stdout, "data"))[0] as Buffer));
    await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, "utf8")).toMatch(/\) Z /), 10_000);
    expect(isAlive(pid)).toBe(false);
    expect(isAlive(parent.pid!)).toBe(true);
  },
);

test("a sweeper looks into each folder once", async () => {
  const [one, other] = [temporaryFolder(), temporaryFolder()];
  const name = `.if-gen-${machineMark()}-${gonePid()}-0123abcd.tmp`;
  const sweep = createSweeper();
  for (const folder of [one, other]) {
    writeFileSync(join(folder, name), "");
    await sweep(folder);
    expect(readdirSync(folder)).toEqual([]);
  }
  writeFileSync(join(one, name), "");
  await sweep(one);
  expect(readdirSync(one)).toEqual([name]);
});
