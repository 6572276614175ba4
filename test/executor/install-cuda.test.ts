/** `setup cuda --from`: folders and archives of made-up providers; what does not fit leaves what is there alone. */

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { installCudaFrom } from "../../src/executor/install-cuda.ts";
import { fakeElf } from "../machine/fake-elf.ts";

const shared = "libonnxruntime_providers_shared.so";
const cuda = "libonnxruntime_providers_cuda.so";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "if-gen-install-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const provider = (version: string): Buffer =>
  fakeElf({ needed: ["libcudart.so.13"], texts: [version, "x".repeat(3000)] });
const filesOf = (version: string, below = "onnxruntime/capi"): Record<string, Buffer> => ({
  "README.md": Buffer.from("not wanted"),
  [`${below}/${cuda}`]: provider(version),
  [`${below}/libonnxruntime_providers_tensorrt.so`]: Buffer.from("not wanted"),
  [`${below}/${shared}`]: fakeElf({ soname: shared }),
});

function tar(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([path, bytes]) => {
    const header = Buffer.alloc(512);
    header.write(path);
    header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("0ustar\u000000", 156);
    header.write("ustar\u000000", 257);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** @param isDeflated else stored. */
function zip(files: Readonly<Record<string, Buffer>>, isDeflated = true): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const [path, bytes] of Object.entries(files)) {
    const packed = isDeflated ? deflateRawSync(bytes) : bytes;
    const entry = Buffer.alloc(46);
    entry.write("PK\u0001\u0002");
    entry.writeUInt16LE(isDeflated ? 8 : 0, 10);
    entry.writeUInt32LE(crc32(bytes), 16);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(bytes.length, 24);
    entry.writeUInt16LE(path.length, 28);
    entry.writeUInt32LE(offset, 42);
    const local = Buffer.alloc(30);
    local.write("PK\u0003\u0004");
    local.writeUInt16LE(path.length, 26);
    locals.push(local, Buffer.from(path), packed);
    entries.push(entry, Buffer.from(path));
    offset += 30 + path.length + packed.length;
  }
  const list = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006");
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, list, end]);
}

function written(name: string, bytes: Buffer): string {
  const path = join(folder(), name);
  writeFileSync(path, bytes);
  return path;
}

function laidOut(files: Readonly<Record<string, Buffer>>): string {
  const root = folder();
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  return root;
}

test.each([
  ["a wheel", () => written("onnxruntime_gpu.whl", zip(filesOf("1.30.0")))],
  ["NuGet's package, stored", () => written("x.nupkg", zip(filesOf("1.30.0", "runtimes/linux-x64/native"), false))],
  ["npm's archive", () => written("x.tgz", gzipSync(tar(filesOf("1.30.0", "package/Plugins/Linux/x64"))))],
  ["a tar archive", () => written("x.tar", tar(filesOf("1.30.0", ".")))],
  ["a folder", () => laidOut(filesOf("1.30.0", "site-packages/onnxruntime/capi"))],
  ["a folder of two versions", () => laidOut({ ...filesOf("1.30.0", "b"), [`a/${cuda}`]: provider("1.29.0") })],
])("from %s: the two libraries, and nothing else", async (_, make) => {
  const target = folder();
  writeFileSync(join(target, cuda), "an older one");
  await installCudaFrom(make(), target, "1.30.0");
  expect(readdirSync(target).toSorted()).toEqual([cuda, shared]);
  expect(readFileSync(join(target, cuda)).equals(provider("1.30.0"))).toBe(true);
});

describe("refused, with what is there left alone", () => {
  const damaged = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  };
  test.each([
    [
      "another version",
      () => written("x.whl", zip(filesOf("1.29.0"))),
      "PROVIDER",
      /its lib.*cuda\.so is of onnxruntime 1\.29\.0 and onnxruntime-node has 1\.30\.0/,
    ],
    [
      "no version",
      () => laidOut({ [cuda]: fakeElf(), [shared]: fakeElf() }),
      "PROVIDER",
      /a version that it does not say/,
    ],
    ["no library", () => laidOut({ [cuda]: Buffer.alloc(99), [shared]: fakeElf() }), "PROVIDER", /not an ELF file/],
    [
      "one alone",
      () => laidOut({ [cuda]: provider("1.30.0") }),
      "PROVIDER",
      /lacks libonnxruntime_providers_shared\.so/,
    ],
    ["an empty folder", () => folder(), "PROVIDER", /lacks .* and /],
    ["a damaged wheel", () => written("x.whl", damaged(zip(filesOf("1.30.0"), false), 500)), "USAGE", /is damaged/],
    [
      "half an archive",
      () => written("x.tgz", gzipSync(tar(filesOf("1.30.0"))).subarray(0, 150)),
      "USAGE",
      /cannot be unpacked/,
    ],
    ["half a tar", () => written("x.tar", tar(filesOf("1.30.0")).subarray(0, 1500)), "USAGE", /cut short/],
    ["no zip", () => written("x.zip", Buffer.from("hello")), "USAGE", /not a zip archive/],
    ["no tar", () => written("x.tgz", gzipSync(Buffer.alloc(2048, 7))), "USAGE", /not a tar archive/],
    ["another kind", () => written("x.rar", Buffer.alloc(9)), "USAGE", /give a folder, \.tgz/],
    ["nothing", () => "/no/such", "USAGE", /there is no such file/],
  ])("%s", async (_, make, code, message) => {
    const target = folder();
    writeFileSync(join(target, cuda), "an older one");
    await expect(installCudaFrom(make(), target, "1.30.0")).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(readdirSync(target)).toEqual([cuda]);
    expect(readFileSync(join(target, cuda), "utf8")).toBe("an older one");
  });

  test("a folder that cannot be written to", async () => {
    const source = laidOut(filesOf("1.30.0"));
    await expect(installCudaFrom(source, "/proc/none", "1.30.0")).rejects.toMatchObject({ code: "OUTPUT" });
  });
});
