import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { draftBeside, draftFolderIn, isAlive, machineMark, sweepDrafts } from "../../src/files/draft.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The number of a process that has ended. */
const gonePid = (): number => spawnSync(process.execPath, ["-e", ""]).pid;

test("what a killed process left is swept; a living one's, another machine's and other files stay", async () => {
  const folder = temporaryFolder();
  const [gone, mark] = [gonePid(), machineMark()];
  const swept = [`.if-gen-${mark}-${gone}-0123abcd.tmp`, `if-gen-${mark}-${gone}-0123abcd`];
  const kept = [
    basename(draftBeside(join(folder, "cat.png"))),
    basename(draftFolderIn(folder)),
    `.if-gen-00000000-${gone}-0123abcd.tmp`,
    `if-gen-${gone}.png`,
    ".cat.png.tmp",
  ];
  for (const name of [...swept, ...kept]) writeFileSync(join(folder, name), "");
  rmSync(join(folder, swept[1] ?? ""));
  mkdirSync(join(folder, swept[1] ?? "", "job-1"), { recursive: true });
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
