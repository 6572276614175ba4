/** Libraries' own entries, of a real one and of made-up ones; what is no library is refused, whatever it claims. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readElf, x86_64 } from "../../src/machine/elf.ts";
import { providerVersion, runtimeVersion } from "../../src/machine/onnxruntime-version.ts";
import { binariesFolder } from "../../src/executor/provider-files.ts";
import packageJson from "../../package.json" with { type: "json" };
import { type FakeLibrary, fakeElf } from "./fake-elf.ts";

const isLinuxX64 = process.platform === "linux" && process.arch === "x64";

function fileOf(bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-elf-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "lib.so"), bytes);
  return join(folder, "lib.so");
}

const library = (given?: FakeLibrary): string => fileOf(fakeElf(given));

test.runIf(isLinuxX64)("onnxruntime's own library", () => {
  const file = join(binariesFolder, "libonnxruntime.so.1");
  const { soname, machine, needed, runpath } = readElf(file);
  expect({ soname, machine, runpath }).toEqual({
    soname: "libonnxruntime.so.1",
    machine: x86_64,
    runpath: ["$ORIGIN"],
  });
  expect(needed).toContain("libstdc++.so.6");
  expect(runtimeVersion(file)).toBe(packageJson.dependencies["onnxruntime-node"]);
});

test("names, folders, constants", () => {
  const given = { needed: ["libcublas.so.13", "libc.so.6"], runpath: "$ORIGIN:/a", soname: "libx.so", machine: 183 };
  const { constants, ...read } = readElf(library(given));
  expect(read).toEqual({ ...given, runpath: ["$ORIGIN", "/a"] });
  expect(constants).toHaveLength(1);
  expect(readElf(library())).toMatchObject({ needed: [], runpath: [] });
});

describe("the version of a provider", () => {
  test.each([
    [["9.9", "1.30.0"], "1.30.0"],
    [["1.29.0"], "1.29.0"],
    [["1.29.0", "1.30.0"], "1.30.0"],
    [["21.30.0", "1.30.0-rc1"], undefined],
    [[], undefined],
  ])("%j is %s", (texts, version) => {
    expect(providerVersion(library({ texts }), "1.30.0")).toBe(version);
  });

  test("also where two pieces that are read one after the other meet", () => {
    const filler = "x".repeat(2 ** 20 - 8);
    expect(providerVersion(library({ texts: [filler, "1.30.0"] }), "1.30.0")).toBe("1.30.0");
  });
});

describe("refused", () => {
  test("a text, an empty file, a folder, a pipe", () => {
    expect(() => readElf(fileOf(Buffer.from("INPUT ( libcudart.so.12 )".repeat(9))))).toThrow("not an ELF file");
    expect(() => readElf(fileOf(Buffer.alloc(0)))).toThrow("cut short");
    const folder = mkdtempSync(join(tmpdir(), "if-gen-elf-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, "libx.so"));
    expect(() => readElf(join(folder, "libx.so"))).toThrow("not a regular file");
    if (process.platform === "win32") return;
    execFileSync("mkfifo", [join(folder, "liby.so")]);
    expect(() => readElf(join(folder, "liby.so"))).toThrow("not a regular file");
  });

  test("32 bits, and a file that claims more than it has", () => {
    const elf = fakeElf({ needed: ["liba.so"] });
    const changed = (change: (bytes: Buffer) => unknown): string => {
      const bytes = Buffer.from(elf);
      change(bytes);
      return fileOf(bytes);
    };
    expect(() => readElf(changed((bytes) => (bytes[4] = 1)))).toThrow("64-bit");
    expect(() => readElf(changed((bytes) => bytes.writeUInt16LE(65_535, 56)))).toThrow("program headers");
    expect(() => readElf(changed((bytes) => bytes.writeBigUInt64LE(2n ** 63n, 32)))).toThrow("cut short");
    expect(() => readElf(changed((bytes) => bytes.writeBigUInt64LE(2n ** 40n, 64 + 2 * 56 + 32)))).toThrow("dynamic");
    expect(() => readElf(fileOf(elf.subarray(0, elf.length - 8)))).toThrow("cut short");
  });

  test("whatever byte is changed: an answer or an error at once, never more", () => {
    const elf = fakeElf({ needed: ["liba.so", "libb.so"], runpath: "$ORIGIN" });
    let refused = 0;
    for (let at = 0; at < elf.length; at++) {
      const bytes = Buffer.from(elf);
      bytes[at] = 0xff;
      try {
        expect(readElf(fileOf(bytes)).needed.length).toBeLessThanOrEqual(8);
      } catch (error) {
        expect((error as Error).message).toMatch(/^it|^its|^one of/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });
});
