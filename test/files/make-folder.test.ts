import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolder } from "../../src/files/make-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-make-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]): string => join(folder, ...names);

test("all that is missing is made, with the mode; what is there is left", async () => {
  await makeFolder(at("a", "b", "c"), 0o700);
  expect([at("a"), at("a", "b"), at("a", "b", "c")].map((path) => statSync(path).mode & 0o777)).toEqual([
    0o700, 0o700, 0o700,
  ]);
  await makeFolder(at("a"), 0o755);
  expect(statSync(at("a")).mode & 0o777).toBe(0o700);
  symlinkSync("a", at("link"));
  await makeFolder(at("link", "d"));
  await makeFolder(at("link"));
  expect(existsSync(at("a", "d"))).toBe(true);
});

test("many at once make one", async () => {
  for (let round = 0; round < 50; round++) {
    const leaves = Array.from({ length: 8 }, (_, index) => at(`x${round}`, "y", `z${index % 4}`));
    await Promise.all(leaves.map((leaf) => makeFolder(leaf)));
    expect(leaves.every((leaf) => statSync(leaf).isDirectory())).toBe(true);
  }
});

test("a file in the way, a link to nothing", async () => {
  writeFileSync(at("file"), "");
  await expect(makeFolder(at("file"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(at("file", "b", "c"))).rejects.toMatchObject({ code: "ENOTDIR" });
  symlinkSync("nowhere", at("dangling"));
  await expect(makeFolder(at("dangling"))).rejects.toMatchObject({ code: "EEXIST" });
});

test.skipIf(!existsSync("/proc/self"))("a system that takes no folders ends it", async () => {
  await expect(makeFolder("/proc/if-gen/run")).rejects.toMatchObject({ code: "EPERM" });
});
