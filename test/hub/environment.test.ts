import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readPins } from "../../src/catalog/pins.ts";
import { hubEnvironment } from "../../src/hub/environment.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-environment-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a token's file is read on one line; without one there is none", () => {
  const file = join(folder, "token");
  writeFileSync(file, " hf_x\n");
  expect(hubEnvironment({ HF_TOKEN_PATH: file }, folder)).toMatchObject({ token: "hf_x", tokenSource: "file" });
  expect(hubEnvironment({ HF_TOKEN_PATH: join(folder, "none") }, folder).tokenSource).toBe("none");
});

test.skipIf(process.platform === "win32")(
  "pipes, devices and folders in the places of small files are not waited for",
  () => {
    const pipe = join(folder, "pipe");
    spawnSync("mkfifo", [pipe]);
    for (const path of [pipe, "/dev/zero", folder]) {
      expect(hubEnvironment({ HF_TOKEN_PATH: path }, folder).tokenSource).toBe("none");
    }
    expect(readPins(folder).size).toBe(0);
    spawnSync("mkfifo", [join(folder, "if-gen.lock.json")]);
    expect(() => readPins(folder)).toThrow(/if-gen\.lock\.json cannot be read: it is no regular file/);
  },
);
