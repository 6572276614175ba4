import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { readWhole, readWords } from "../../src/files/regular-file.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { tokenizerFolder } from "../tokenizers/tokenizer-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const link = (name: string, target: string): string => {
  symlinkSync(target, join(folder, name));
  return join(folder, name);
};

test("a file and a link to it are read", async () => {
  writeFileSync(join(folder, "a"), "abc");
  expect(Buffer.from(await readWhole(join(folder, "a"), 3, CheckpointError)).toString()).toBe("abc");
  expect(Buffer.from(await readWhole(link("to-a", "a"), 3, CheckpointError)).toString()).toBe("abc");
});

describe.skipIf(process.platform === "win32")("is refused without waiting:", () => {
  const pipe = (): string => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    return join(folder, "pipe");
  };
  test.each<[string, () => string, RegExp]>([
    ["a pipe that nobody writes to", pipe, /not a regular file/],
    ["a link to a pipe", () => link("to-pipe", "pipe"), /not a regular file/],
    ["a link to a device without end", () => link("zero", "/dev/zero"), /not a regular file/],
    ["a folder", () => folder, /is a folder/],
    ["a link to itself", () => link("loop", "loop"), /ELOOP/],
    ["a link to nothing", () => link("gone", "nowhere"), /it links to a file that is gone/],
    ["a name with a null", () => `${folder}/x\u0000y`, /null character/],
    ["a file beyond the limit", () => link("large", "a"), /has 3 bytes; a file of its kind has at most 2/],
  ])("%s", async (_, path, message) => {
    const reading = readWhole(path(), 2, CheckpointError);
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(message);
  });

  test("words of what is no small regular file are none", () => {
    const path = (name: string): string => join(folder, name);
    expect(readWords(path("a"))).toBe("abc");
    expect(["pipe", "zero", "gone", "loop", "x\u0000", "."].map((name) => readWords(path(name)))).toEqual(
      Array.from({ length: 6 }, () => undefined),
    );
    expect(readWords(path("a"), 2)).toBeUndefined();
  });

  test("a tokenizer whose spiece.model is a pipe", async () => {
    const tokenizer = tokenizerFolder("if-i", { "spiece.model": null });
    execFileSync("mkfifo", [join(tokenizer, "spiece.model")]);
    await expect(createT5Tokenizer(tokenizer)).rejects.toThrow(/spiece\.model is not a regular file/);
  });
});
