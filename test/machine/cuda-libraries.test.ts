/** CUDA's libraries in made-up trees: what the provider wants, where it is found, what is missing and what to type. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { cudaFolders } from "../../src/machine/cuda-folders.ts";
import { type LibrarySearch, findCudaLibraries, pipLine } from "../../src/machine/cuda-libraries.ts";
import { libraryEnvironment } from "../../src/machine/environment.ts";
import { inFolders, systemLoader } from "../../src/machine/loader.ts";
import { type FakeLibrary, fakeElf } from "./fake-elf.ts";

const provider13 = [
  "libcublasLt.so.13",
  "libcublas.so.13",
  "libcurand.so.10",
  "libcudart.so.13",
  "libcuda.so.1",
  "libstdc++.so.6",
];

function makeTree(files: Readonly<Record<string, FakeLibrary | string>>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "if-gen-tree-")));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : fakeElf(content));
  }
  return root;
}

const searchIn = (root: string, system: readonly string[], folders: readonly string[]): LibrarySearch => ({
  loader: (name) =>
    inFolders(
      system.map((folder) => join(root, folder)),
      name,
    ),
  folders: folders.map((folder) => join(root, folder)),
});

describe("what the provider wants", () => {
  test("pip's folders are added where the loader finds nothing; what it finds stays", () => {
    const pip = "python/nvidia/cu13/lib";
    const root = makeTree({
      "provider.so": { needed: provider13 },
      "system/libcuda.so.1": {},
      "system/libcudart.so.13": {},
      [`${pip}/libcublas.so.13`]: { needed: ["libcublasLt.so.13", "libc.so.6"], runpath: "$ORIGIN" },
      [`${pip}/libcublasLt.so.13`]: {},
      "python/nvidia/curand/lib/libcurand.so.10": {},
      "python/nvidia/cudnn/lib/libcudnn.so.9": {},
      "python/nvidia/cufft/lib/libcufft.so.12": {},
    });
    const all = [pip, "python/nvidia/curand/lib", "python/nvidia/cudnn/lib", "python/nvidia/cufft/lib"];
    const { major, missing, folders, found } = findCudaLibraries(
      join(root, "provider.so"),
      searchIn(root, ["system"], all),
    );
    expect({ major, missing }).toEqual({ major: 13, missing: [] });
    expect([...folders].toSorted()).toEqual(all.map((folder) => join(root, folder)).toSorted());
    expect(found.get("libcudart.so.13")).toBe(join(root, "system/libcudart.so.13"));
    expect(found.size).toBe(7);
  });

  test("CUDA 12's provider wants CUDA 12's names, cuFFT's own number included", () => {
    const root = makeTree({ "provider.so": { needed: ["libcublas.so.12", "libcudart.so.12"] } });
    expect(findCudaLibraries(join(root, "provider.so"), searchIn(root, [], []))).toMatchObject({
      major: 12,
      missing: ["libcublas.so.12", "libcudart.so.12", "libcudnn.so.9", "libcufft.so.11"],
      folders: [],
    });
  });

  test("what a library needs in turn is looked for too; a text or another machine's file under the name is no library", () => {
    const root = makeTree({
      "provider.so": { needed: ["libcublas.so.12"] },
      "a/libcublas.so.12": "INPUT(libcublas.so)",
      "b/libcublas.so.12": { machine: 183 },
      "c/libcublas.so.12": { needed: ["libcublasLt.so.12", "libnvJitLink.so.12"] },
      "d/libcublasLt.so.12": {},
      "d/libcudnn.so.9": {},
      "d/libcufft.so.11": {},
    });
    const search = searchIn(root, ["a"], ["b", "c", "d"]);
    expect(findCudaLibraries(join(root, "provider.so"), search)).toMatchObject({
      missing: ["libnvJitLink.so.12"],
      folders: [join(root, "c"), join(root, "d")],
    });
  });

  test("conda's folder does not take the place of the system's C++ library", () => {
    const root = makeTree({
      "provider.so": { needed: ["libcudart.so.12", "libstdc++.so.6"] },
      "system/libstdc++.so.6": {},
      "conda/lib/libstdc++.so.6": {},
      "conda/lib/libcudart.so.12": {},
    });
    const { folders } = findCudaLibraries(join(root, "provider.so"), searchIn(root, ["system"], ["conda/lib"]));
    expect(folders).toEqual([join(root, "system"), join(root, "conda/lib")]);
  });

  test("no library at all: an error that says so", () => {
    const root = makeTree({ "provider.so": "nothing" });
    expect(() => findCudaLibraries(join(root, "provider.so"), searchIn(root, [], []))).toThrow(/it is/);
  });
});

test("folders of every Python on PATH, of the active environment, of toolkits; later versions first", () => {
  const root = makeTree({
    "usr/local/cuda-12.8/lib64/x": "",
    "usr/local/cuda-12.10/lib64/x": "",
    "usr/local/lib/python3.12/dist-packages/nvidia/cublas/lib/x": "", // Colab's
    "opt/conda/lib/x": "",
  });
  const home = makeTree({
    "venv/lib/python3.11/site-packages/nvidia/cudnn/lib/x": "",
    "py/lib/python3.10/site-packages/nvidia/cufft/lib/x": "",
    "py/bin/python3": "",
    "pyenv/versions/3.12.1/lib/python3.12/site-packages/nvidia/curand/lib/x": "",
    "pyenv/shims/python3": "",
    "home/.local/lib/python3.9/site-packages/nvidia/cu13/lib/x": "",
    "linked/placeholder": "",
    "odd:name/lib/python3.9/site-packages/nvidia/cu13/lib/x": "",
  });
  symlinkSync(join(home, "py/bin/python3"), join(home, "linked/python3"));
  const env = {
    PATH: `${home}/linked:${home}/pyenv/shims:relative:`,
    VIRTUAL_ENV: join(home, "venv"),
    CONDA_PREFIX: "",
  };
  const found = [...cudaFolders(env, join(home, "home")), ...cudaFolders({}, "/none", root)];
  const relative = found.flatMap((folder) =>
    [home, root].flatMap((base) => (folder.startsWith(base) ? folder.slice(base.length) : [])),
  );
  expect(relative).toEqual([
    "/venv/lib/python3.11/site-packages/nvidia/cudnn/lib",
    "/py/lib/python3.10/site-packages/nvidia/cufft/lib",
    "/pyenv/versions/3.12.1/lib/python3.12/site-packages/nvidia/curand/lib",
    "/home/.local/lib/python3.9/site-packages/nvidia/cu13/lib",
    "/usr/local/lib/python3.12/dist-packages/nvidia/cublas/lib",
    "/usr/local/cuda-12.10/lib64",
    "/usr/local/cuda-12.8/lib64",
    "/opt/conda/lib",
  ]);
  expect(cudaFolders({ VIRTUAL_ENV: join(home, "odd:name") }, "/none").join()).not.toContain("odd");
});

describe("the loader", () => {
  const cacheOf = (entries: readonly (readonly [flags: number, name: string, path: string])[]): Buffer => {
    const names = Buffer.from(entries.map(([, name, path]) => `${name}\0${path}\0`).join(""));
    const head = Buffer.alloc(48 + 24 * entries.length);
    head.write("glibc-ld.so.cache1.1");
    head.writeUInt32LE(entries.length, 20);
    let at = head.length;
    entries.forEach(([flags, name, path], index) => {
      head.writeInt32LE(flags, 48 + 24 * index);
      head.writeUInt32LE(at, 52 + 24 * index);
      head.writeUInt32LE(at + name.length + 1, 56 + 24 * index);
      at += name.length + path.length + 2;
    });
    return Buffer.concat([head, names]);
  };

  test("LD_LIBRARY_PATH, then its cache, then the system's folders", () => {
    const root = makeTree({
      "env/liba.so": "",
      "cached/liba.so": "",
      "cached/libb.so": "",
      "sys/libb.so": "",
      "sys/libc.so": "",
    });
    writeFileSync(
      join(root, "cache"),
      cacheOf([
        [0x0303, "liba.so", join(root, "cached/liba.so")],
        [0x0003, "libc.so", join(root, "cached/liba.so")], // 32 bits
        [0x0303, "libb.so", join(root, "cached/libb.so")],
        [0x0303, "libd.so", join(root, "gone")],
      ]),
    );
    const find = systemLoader({
      env: { LD_LIBRARY_PATH: `:${join(root, "env")}` },
      cacheFile: join(root, "cache"),
      systemFolders: [join(root, "sys")],
    });
    const places = ["liba.so", "libb.so", "libc.so", "libd.so"].map((name) => find(name)?.slice(root.length));
    expect(places).toEqual(["/env/liba.so", "/cached/libb.so", "/sys/libc.so", undefined]);
  });

  test.runIf(process.platform === "linux" && process.arch === "x64")("this machine's", () => {
    expect(systemLoader({ env: {} })("libc.so.6")).toMatch(/libc\.so\.6$/);
    expect(systemLoader({ env: {} })("libnone.so.6")).toBeUndefined();
  });

  test("a damaged cache is none", () => {
    const root = makeTree({ cache: `glibc-ld.so.cache1.1${"\u007f".repeat(64)}` });
    expect(systemLoader({ env: {}, cacheFile: join(root, "cache"), systemFolders: [] })("liba.so")).toBeUndefined();
  });
});

test("a process's LD_LIBRARY_PATH: what is in it first, each folder once; none is added without need", () => {
  expect(libraryEnvironment(["/b", "/c"], { LD_LIBRARY_PATH: "/a:/b" })["LD_LIBRARY_PATH"]).toBe("/a:/b:/c");
  expect(libraryEnvironment([], { A: "1" })).toEqual({ A: "1", CUDA_DEVICE_ORDER: "PCI_BUS_ID" });
  expect(libraryEnvironment([], { CUDA_DEVICE_ORDER: "FASTEST_FIRST" })["CUDA_DEVICE_ORDER"]).toBe("FASTEST_FIRST");
});

test.each([
  [["libcublas.so.12", "libcublasLt.so.12", "libcudnn.so.9"], 12, "pip install nvidia-cublas-cu12 nvidia-cudnn-cu12"],
  [["libcudart.so.13", "libcudnn.so.9"], 13, "pip install nvidia-cuda-runtime nvidia-cudnn-cu13"],
  [["libcuda.so.1"], 12, undefined],
  [["libcufft.so.11"], undefined, undefined],
])("%j for CUDA %s: %s", (missing, major, line) => {
  expect(pipLine(missing, major)).toBe(line);
});
