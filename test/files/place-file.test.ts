import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createFile, isTaken, placeBeside, placeFile, targetOf } from "../../src/files/place-file.ts";

let folder: string;
let source: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  source = join(folder, "source");
  writeFileSync(source, "new");
});
const at = (name: string): string => join(folder, name);
const text = (name: string): string => readFileSync(at(name), "utf8");

test("a free name is taken; one that is not is left, whatever it is", async () => {
  expect(await placeFile(source, at("a"), { replace: false })).toBe(true);
  expect(text("a")).toBe("new");
  writeFileSync(at("b"), "old");
  symlinkSync("nowhere", at("dangling"));
  mkdirSync(at("folder"));
  for (const name of ["b", "dangling", "folder"]) {
    expect(await placeFile(source, at(name), { replace: false })).toBe(false);
    expect(await isTaken(at(name))).toBe(true);
  }
  expect(text("b")).toBe("old");
  expect(lstatSync(at("dangling")).isSymbolicLink()).toBe(true);
  expect(readdirSync(folder).filter((name) => name.startsWith(".if-gen"))).toEqual([]);
});

test("replacing writes to a link's target, also one that does not exist yet, and keeps the mode", async () => {
  mkdirSync(at("deep"));
  writeFileSync(at("deep/real"), "old");
  chmodSync(at("deep/real"), 0o640);
  symlinkSync("deep/real", at("link"));
  symlinkSync("deep/later", at("dangling"));
  expect(await placeFile(source, at("link"), { replace: true })).toBe(true);
  expect(await placeFile(source, at("dangling"), { replace: true })).toBe(true);
  expect([text("deep/real"), text("deep/later")]).toEqual(["new", "new"]);
  expect(statSync(at("deep/real")).mode & 0o777).toBe(0o640);
  expect([at("link"), at("dangling")].every((path) => lstatSync(path).isSymbolicLink())).toBe(true);
});

test("of many at once for one name, one has it and none is lost", async () => {
  const placed = await Promise.all(Array.from({ length: 20 }, () => placeFile(source, at("one"), { replace: false })));
  expect(placed.filter(Boolean)).toHaveLength(1);
  expect(await placeBeside(source, at("one.png"))).toBe(at("one.2.png"));
  expect(await placeBeside(source, at("one.png"))).toBe(at("one.3.png"));
});

test("a folder that is not there is the system's own error, and nothing is left", async () => {
  await expect(placeFile(source, at("none/a"), { replace: false })).rejects.toMatchObject({ code: "ENOENT" });
  expect(existsSync(at("none"))).toBe(false);
});

test("where a file lies: links are followed to their end, or to where it would be", async () => {
  writeFileSync(at("real"), "");
  symlinkSync("real", at("one"));
  symlinkSync("one", at("two"));
  symlinkSync("missing", at("dangling"));
  const real = realpathSync(folder);
  expect(await targetOf(at("two"))).toBe(join(real, "real"));
  expect(await targetOf(at("dangling"))).toBe(join(real, "missing"));
  expect(await targetOf(at("new"))).toBe(join(real, "new"));
});

test("a file is made with all of its content, and never over another, a link to nothing among them", async () => {
  expect(await createFile(at("lock"), "mine")).toBe(true);
  expect(await createFile(at("lock"), "other")).toBe(false);
  symlinkSync("nowhere", at("link"));
  expect(await createFile(at("link"), "other")).toBe(false);
  expect([text("lock"), readdirSync(folder).sort()]).toEqual(["mine", ["link", "lock", "source"]]);
});

test("a file that cannot be made whole is not there at all: nothing is opened under its name before", async () => {
  await expect(createFile(join(folder, "none", "lock"), "mine")).rejects.toMatchObject({ code: "ENOENT" });
  const names = new Set<string>();
  const watcher = watch(folder, (_, name) => names.add(name ?? ""));
  await createFile(at("lock"), "x".repeat(100));
  await expect.poll(() => names.has("lock")).toBe(true);
  watcher.close();
  expect([...names].filter((name) => /^\.if-gen-.*\.tmp$/.test(name))).toHaveLength(1); // written there first
});
