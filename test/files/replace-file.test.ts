import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isSameMark, readFileMark } from "../../src/files/file-mark.ts";
import { draftBeside } from "../../src/files/draft.ts";
import { replaceFile } from "../../src/files/replace-file.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-replace-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

test("what is there is replaced whole, a link is not followed, nothing else is left", async () => {
  writeFileSync(at("mine"), "mine");
  symlinkSync("mine", at("x"));
  await replaceFile(at("x"), "new");
  expect([readFileSync(at("x"), "utf8"), readFileSync(at("mine"), "utf8")]).toEqual(["new", "mine"]);
  expect(readdirSync(folder).toSorted()).toEqual(["mine", "x"]);
});

test("a draft that is there already, planted or not, is not written to", async () => {
  symlinkSync("mine", at("draft"));
  await expect(replaceFile(at("y"), "new", { draft: at("draft") })).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(at("mine"), "utf8")).toBe("mine");
  expect(draftBeside("x")).not.toBe(draftBeside("x"));
});

test("a mark changes with the content, also where size and time are put back", async () => {
  const before = await readFileMark(at("mine"));
  expect(isSameMark(before, await readFileMark(at("mine")))).toBe(true);
  await replaceFile(at("mine"), "mine");
  expect(isSameMark(before, await readFileMark(at("mine")))).toBe(false);
  expect(await readFileMark(folder)).toBeUndefined();
  expect(isSameMark(undefined, undefined)).toBe(false);
});

test.skipIf(process.platform === "win32")("a mode holds whatever the umask is, and for the draft too", async () => {
  const before = process.umask(0o277);
  try {
    await replaceFile(
      at("secret"),
      async (handle) => {
        expect((await handle.stat()).mode & 0o777).toBe(0o600);
      },
      { mode: 0o600 },
    );
  } finally {
    process.umask(before);
  }
  expect(statSync(at("secret")).mode & 0o777).toBe(0o600);
});
