import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { readTensorFile, writeTensorFile, writeBytes } from "../../src/executor/stage-files.ts";

const disk = vi.hoisted(() => ({ isFull: false }));
/** On a full disk a file can be made, and every write to it fails. */
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return {
    ...real,
    async open(path: string, flags?: string) {
      const handle = await real.open(path, flags);
      if (!disk.isFull) return handle;
      await handle.close();
      return real.open("/dev/full", "w");
    },
  };
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const tensor = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] };

test("a tensor comes back as it was written", async () => {
  const folder = temporaryFolder();
  await writeTensorFile(folder, "stage-1", tensor);
  expect(await readTensorFile(folder, "stage-1")).toEqual(tensor);
  await expect(readTensorFile(folder, "stage-2")).rejects.toMatchObject({ code: "CHECKPOINT" });
});

test("what cannot be written is one clear error each, and leaves nothing behind", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "stage-1.safetensors"));
  mkdirSync(join(folder, "safety.json"));
  const refusals = [
    () => writeTensorFile(folder, "stage-1", tensor),
    () => writeBytes(join(folder, "safety.json"), "[]"),
    () => writeTensorFile(join(folder, "gone"), "stage-1", tensor),
  ];
  const ends = ["it is a folder; give a file name", "it is a folder; give a file name", "its folder does not exist"];
  for (const [index, refusal] of refusals.entries()) {
    await expect(refusal()).rejects.toMatchObject({
      code: "OUTPUT",
      exitCode: 6,
      message: expect.stringContaining(`cannot be written: ${ends[index]}`) as string,
    });
  }
  expect(readdirSync(folder).sort()).toEqual(["safety.json", "stage-1.safetensors"]);
});

test.skipIf(!existsSync("/dev/full"))("a full disk leaves the text that was there", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "safety.json");
  writeFileSync(file, "before");
  disk.isFull = true;
  onTestFinished(() => void (disk.isFull = false));
  await expect(writeBytes(file, "after")).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringContaining("the disk is full; free some space") as string,
  });
  expect(readFileSync(file, "utf8")).toBe("before");
  expect(readdirSync(folder)).toEqual(["safety.json"]);
});
