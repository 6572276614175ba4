/** The environment as Python's huggingface_hub reads it, and what is asked of the machine. */

import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Environment, hubEnvironment, hubSettings } from "../../src/hub/environment.ts";
import { configFolder, freeDiskBytes, homeFolder, homeNote, nearestFolder } from "../../src/machine/folders.ts";
import { cudaInstallerEnvironment, stageEnvironment } from "../../src/machine/environment.ts";
import { readHardware, usableMemoryBytes } from "../../src/machine/hardware.ts";

const home = "/home/me";
const read = (env: Environment): ReturnType<typeof hubEnvironment> => hubEnvironment(env, home);

describe("where the Hub's things lie", () => {
  // name, environment, HF_HOME, HF_HUB_CACHE, HF_TOKEN_PATH: as huggingface_hub.constants gives them
  const hub = "/home/me/.cache/huggingface";
  test.each([
    ["nothing set", {}, hub, `${hub}/hub`, `${hub}/token`],
    ["empty counts as unset", { HF_HOME: "", HF_HUB_CACHE: "" }, hub, `${hub}/hub`, `${hub}/token`],
    ["XDG_CACHE_HOME", { XDG_CACHE_HOME: "/x" }, "/x/huggingface", "/x/huggingface/hub", "/x/huggingface/token"],
    ["HF_HOME goes before it", { XDG_CACHE_HOME: "/x", HF_HOME: "/h" }, "/h", "/h/hub", "/h/token"],
    ["HF_HUB_CACHE", { HF_HOME: "/h", HF_HUB_CACHE: "/c" }, "/h", "/c", "/h/token"],
    ["its old name", { HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/o" }, "/h", "/o", "/h/token"],
    ["both names", { HF_HOME: "/h", HF_HUB_CACHE: "/c", HUGGINGFACE_HUB_CACHE: "/o" }, "/h", "/c", "/h/token"],
    ["HF_TOKEN_PATH", { HF_HOME: "/h", HF_TOKEN_PATH: "/t" }, "/h", "/h/hub", "/t"],
    ["~", { HF_HOME: "~/h" }, "/home/me/h", "/home/me/h/hub", "/home/me/h/token"],
    ["variables", { HF_HOME: "$D/${E}/$NO", D: "/d", E: "e" }, "/d/e/$NO", "/d/e/$NO/hub", "/d/e/$NO/token"],
  ])("%s", (_, env, hubHome, cacheFolder, tokenPath) => {
    expect(read(env)).toMatchObject({ home: hubHome, cacheFolder, tokenPath });
  });
});

test.each([
  [{}, false],
  [{ HF_HUB_OFFLINE: "1" }, true],
  [{ HF_HUB_OFFLINE: "yes" }, true],
  [{ HF_HUB_OFFLINE: "On" }, true],
  [{ HF_HUB_OFFLINE: "0" }, false],
  [{ HF_HUB_OFFLINE: "2" }, false],
  [{ TRANSFORMERS_OFFLINE: "true" }, true],
  [{ HF_HUB_OFFLINE: "0", TRANSFORMERS_OFFLINE: "1" }, false],
  [{ HF_HUB_OFFLINE: "", TRANSFORMERS_OFFLINE: "1" }, true],
])("offline: %o", (env, offline) => {
  expect(read(env).offline).toBe(offline);
});

test("endpoint, progress bars, timeouts", () => {
  expect(read({}).endpoint).toBe("https://huggingface.co");
  expect(read({ HF_ENDPOINT: "https://mirror.example/hf//" }).endpoint).toBe("https://mirror.example/hf");
  expect(read({ HF_HUB_DISABLE_PROGRESS_BARS: "1" }).quiet).toBe(true);
  expect(read({}).timeouts).toEqual({});
  expect(read({ HF_HUB_ETAG_TIMEOUT: "3", HF_HUB_DOWNLOAD_TIMEOUT: "60" }).timeouts).toEqual({
    headersMs: 3000,
    stallMs: 60_000,
  });
  expect(read({ HF_HUB_ETAG_TIMEOUT: "soon" }).timeouts).toEqual({});
});

describe("the token", () => {
  const tokenFile = (text: string): string => {
    const folder = mkdtempSync(join(tmpdir(), "if-gen-token-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, "token"), text);
    return join(folder, "token");
  };

  test("from HF_TOKEN, its old name, or the file, in this order", () => {
    const HF_TOKEN_PATH = tokenFile(" hf_file\n");
    expect(read({ HF_TOKEN_PATH })).toMatchObject({ token: "hf_file", tokenSource: "file" });
    expect(read({ HF_TOKEN_PATH, HUGGING_FACE_HUB_TOKEN: "hf_old" })).toMatchObject({ token: "hf_old" });
    expect(read({ HF_TOKEN_PATH, HUGGING_FACE_HUB_TOKEN: "hf_old", HF_TOKEN: "hf_new\r\n" })).toMatchObject({
      token: "hf_new",
      tokenSource: "HF_TOKEN",
    });
    expect(read({ HF_TOKEN_PATH, HF_TOKEN: " \n" })).toMatchObject({ token: "hf_file", tokenSource: "file" });
  });

  test("none", () => {
    expect(read({}).tokenSource).toBe("none");
    expect(read({ HF_TOKEN_PATH: tokenFile("\n") })).not.toHaveProperty("token");
  });

  test("kept back by HF_HUB_DISABLE_IMPLICIT_TOKEN", () => {
    const environment = read({ HF_TOKEN: "hf_new", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" });
    expect(environment.tokenSource).toBe("hidden");
    expect(hubSettings(environment, "1")).not.toHaveProperty("token");
    expect(JSON.stringify(environment)).not.toContain("hf_new");
  });
});

test("the configuration folder of each system", () => {
  expect(configFolder({}, home, "linux")).toBe("/home/me/.config/if-gen");
  expect(configFolder({ XDG_CONFIG_HOME: "/x" }, home, "linux")).toBe("/x/if-gen");
  expect(configFolder({}, home, "darwin")).toBe("/home/me/.config/if-gen");
  expect(configFolder({ APPDATA: "/roaming" }, home, "win32")).toBe(join("/roaming", "if-gen"));
});

test("onnxruntime's installer is asked for CUDA 12 whatever npm says, and gets no token", () => {
  const env = {
    PATH: "/bin",
    HF_TOKEN: "hf_secret",
    HUGGING_FACE_HUB_TOKEN: "hf_secret",
    ONNXRUNTIME_NODE_INSTALL: "skip",
    npm_config_onnxruntime_node_install: "skip",
    npm_config_onnxruntime_node_install_cuda: "skip",
  };
  expect(cudaInstallerEnvironment(env)).toEqual({ PATH: "/bin", ONNXRUNTIME_NODE_INSTALL_CUDA: "v12" });
});

test("a stage's allocator gives large buffers back and asks for huge pages; what the user says of it wins", () => {
  expect(stageEnvironment([], { A: "1" })).toEqual({
    A: "1",
    CUDA_DEVICE_ORDER: "PCI_BUS_ID",
    MALLOC_MMAP_THRESHOLD_: "1048576",
    GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
  });
  const userSettings = { MALLOC_MMAP_THRESHOLD_: "4096", GLIBC_TUNABLES: "glibc.malloc.hugetlb=0" };
  expect(stageEnvironment([], { CUDA_DEVICE_ORDER: "x", ...userSettings })).toEqual({
    CUDA_DEVICE_ORDER: "x",
    ...userSettings,
    GLIBC_TUNABLES: "glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0",
  }); // the last one holds
});

test("the machine", async () => {
  const hardware = readHardware();
  expect(hardware.memoryBytes).toBeGreaterThan(1e8);
  expect(hardware.freeMemoryBytes).toBeLessThanOrEqual(hardware.memoryBytes);
  expect(hardware.cores).toBeGreaterThan(0);
  expect(hardware.memoryLimitBytes ?? 0).toBeLessThan(hardware.memoryBytes);
  expect(usableMemoryBytes({ ...hardware, memoryBytes: 8, memoryLimitBytes: 4 })).toBe(4);
  expect(await freeDiskBytes(join(tmpdir(), "not", "there", "yet"))).toBeGreaterThan(0);
  expect(nearestFolder(join(tmpdir(), "not", "there"))).toBe(tmpdir());
});

describe("a user without a home folder", () => {
  const none = (): string => {
    throw new Error("ENOENT: no such file or directory, uv_os_homedir");
  };

  test.skipIf(process.platform === "win32")("HOME first, then the system's entry", () => {
    expect(homeFolder({ HOME: "/h" }, none)).toBe("/h");
    expect(homeFolder({}, () => "/entry")).toBe("/entry");
    expect(homeNote({}, () => "/entry")).toBeUndefined();
  });

  test.skipIf(process.platform === "win32")(
    "else a folder that is theirs alone, and a note that it does not last",
    () => {
      vi.stubEnv("TMPDIR", mkdtempSync(join(tmpdir(), "if-gen-home-test-")));
      onTestFinished(() => {
        rmSync(process.env["TMPDIR"] ?? "", { recursive: true, force: true });
        vi.unstubAllEnvs();
      });
      for (const env of [{}, { HOME: "" }, { HOME: "not/absolute" }]) {
        const folder = homeFolder(env, none);
        expect(folder.startsWith(tmpdir())).toBe(true);
        expect(statSync(folder).mode & 0o777).toBe(0o700);
        expect(homeNote(env, none)).toContain(folder);
      }
      chmodSync(homeFolder({}, none), 0o777); // anybody could put a list of models there
      expect(() => homeFolder({}, none)).toThrow(/set HOME/);
      rmSync(join(tmpdir(), `if-gen-home-${process.getuid?.()}`), { recursive: true });
      symlinkSync("/", join(tmpdir(), `if-gen-home-${process.getuid?.()}`));
      expect(() => homeFolder({}, none)).toThrow(/set HOME/);
    },
  );
});
