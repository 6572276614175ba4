/** `doctor` and `setup cuda`, whatever machine this is. */

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { note, ok, problem } from "../../src/cli/doctor/check.ts";
import { describeLibraries } from "../../src/cli/doctor/cuda.ts";
import { describeChecks } from "../../src/cli/doctor.ts";
import { formatDuration, formatTable } from "../../src/cli/format.ts";
import { hasNvidiaDevice } from "../../src/machine/nvidia.ts";
import { createCli } from "./hub-server.ts";
import { startHub } from "../hub/server.ts";
import { formatBytes } from "../../src/machine/bytes.ts";

interface Checked {
  readonly name: string;
  readonly state: string;
  readonly text: string;
  readonly next?: string;
  readonly breaksDemo?: string;
}
interface Report {
  readonly ok: boolean;
  readonly checks: readonly Checked[];
}

describe("doctor", () => {
  test("looks at everything; its exit code says whether something has to be mended", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    const { code, stdout, stderr } = await cli.run(["doctor", "--json"]);
    const { ok: runs, checks } = JSON.parse(stdout) as Report;
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(
        (
          "Node, platform, CPU, memory, temporary folder, model cache, onnxruntime, image library, demo, " +
          "GPU, webgpu, cuda, cached models, Hub, token"
        ).split(", "),
      ),
    );
    const byName = new Map(checks.map((check) => [check.name, check]));
    expect(byName.get("Node")).toMatchObject({ state: "ok", text: process.versions.node });
    expect(byName.get("onnxruntime")).toMatchObject({ state: "ok", text: expect.stringMatching(/knows cpu/) });
    expect(byName.get("image library")?.state).toBe("ok");
    expect(byName.get("Hub")).toMatchObject({ state: "ok", text: `${hub.url} answers` });
    expect(byName.get("token")).toMatchObject({ state: "note", next: expect.stringMatching(/if-gen login/) });
    for (const { state, next } of checks) if (state === "problem") expect(next).toBeTruthy();
    expect(runs).toBe(checks.every(({ state }) => state !== "problem"));
    expect(code).toBe(runs ? 0 : 1);
    expect(stderr === "").toBe(runs);
    expect(hub.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  test("a token: whose, and whether others can read it", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    mkdirSync(cli.home);
    writeFileSync(join(cli.home, "token"), "hf_good", { mode: 0o600 });
    const tokenLine = async (env: Record<string, string> = {}): Promise<string> => {
      const { stdout } = await cli.run(["doctor"], { env });
      expect(stdout).not.toContain("hf_");
      return /^.*? token .*$/m.exec(stdout)?.[0] ?? "";
    };
    expect(await tokenLine()).toMatch(/^ok +token +from \S+token, somebody's$/);
    expect(await tokenLine({ HF_TOKEN: "hf_bad" })).toMatch(/^problem +token +from HF_TOKEN: The Hub does not accept/);
    chmodSync(join(cli.home, "token"), 0o644);
    expect(await tokenLine()).toMatch(/^problem +token .*can be read by others$/);
  });

  test("a Hub that is away, or not to be asked, keeps nobody from drawing", async () => {
    const cli = await createCli({ url: "http://127.0.0.1:9" });
    const run = await cli.run(["doctor", "--json"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/Hub.*the demo runs.* \[PROBLEM\]/);
    const away = JSON.parse(run.stdout) as Report;
    expect(away.checks.find(({ name }) => name === "Hub")).toMatchObject({ state: "problem" });
    expect(away.checks.find(({ name }) => name === "Hub")).not.toHaveProperty("breaksDemo");
    const { stdout } = await cli.run(["doctor"], { env: { HF_HUB_OFFLINE: "1", HTTP_PROXY: "http://proxy" } });
    expect(stdout).toMatch(/^note +Hub +HF_HUB_OFFLINE is set/m);
    expect(stdout).toMatch(/^note +proxy +HTTP_PROXY is set/m);
  });

  describe.runIf(process.platform === "linux" && process.arch === "x64" && !hasNvidiaDevice())("with a GPU", () => {
    /** @returns the checks where nvidia-smi is this script. */
    async function checksWith(gpus: string, env: Readonly<Record<string, string>> = {}): Promise<Map<string, Checked>> {
      const cli = await createCli(await startHub());
      writeFileSync(join(cli.folder, "nvidia-smi"), `#!/bin/sh\ncat <<END\n${gpus}END\n`, { mode: 0o755 });
      const PATH = `${cli.folder}:${process.env["PATH"] ?? ""}`;
      const { stdout, code } = await cli.run(["doctor", "--json"], { env: { PATH, ...env } });
      const { checks } = JSON.parse(stdout) as Report;
      expect(code).toBe(checks.some(({ state }) => state === "problem") ? 1 : 0);
      return new Map(checks.map((check) => [check.name, check]));
    }
    const two = "NVIDIA H100, 81559, 81000, 580.95.05, GPU-aaaa\nTesla T4, 15360, 15095, 580.95.05, GPU-bbbb\n";

    test("on which nothing works, what it lacks is a problem", async () => {
      const byName = await checksWith(two);
      expect(byName.get("GPU")).toMatchObject({ state: "ok", text: "NVIDIA H100, 85.5 GB; Tesla T4, 16.1 GB" });
      const isWebgpuThere = byName.get("webgpu")?.state === "ok";
      for (const name of ["NVIDIA driver", "webgpu", "cuda"]) {
        if (!isWebgpuThere) expect(byName.get(name)?.state, name).toBe("problem");
        expect(byName.get(name), name).not.toHaveProperty("breaksDemo");
      }
      expect(byName.get("cuda")?.next).toMatch(/setup cuda|CUDA libraries|driver/);
    });

    test("that CUDA_VISIBLE_DEVICES chooses or hides: named, and a hidden one needs nothing", async () => {
      expect((await checksWith(two, { CUDA_VISIBLE_DEVICES: "1" })).get("GPU")).toMatchObject({
        text: "Tesla T4, 16.1 GB (1 of 2: CUDA_VISIBLE_DEVICES=1)",
      });
      const hidden = await checksWith(two, { CUDA_VISIBLE_DEVICES: "-1" });
      expect(hidden.get("GPU")).toMatchObject({
        state: "note",
        text: expect.stringContaining("CUDA_VISIBLE_DEVICES=-1"),
      });
      expect(hidden.get("cuda")?.state).not.toBe("problem");
    });
  });

  test("a temporary folder that is not there", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    writeFileSync(join(cli.folder, "file"), "");
    const { code, stdout } = await cli.run(["doctor", "--json"], { env: { TMPDIR: join(cli.folder, "file") } });
    expect(code).toBe(1);
    const { checks } = JSON.parse(stdout) as Report;
    expect(checks.find(({ name }) => name === "temporary folder")).toMatchObject({ breaksDemo: "OUTPUT" });
  });
});

test("the CUDA libraries: for which CUDA, where, what is missing and what to type", () => {
  const found = new Map([["libcudart.so.13", "/a/libcudart.so.13"]]);
  expect(describeLibraries({ major: 13, found, missing: [], folders: ["/a"] })).toMatchObject({
    state: "ok",
    text: expect.stringMatching(/made for CUDA 13: 1 found in \/a; if-gen adds to LD_LIBRARY_PATH/),
  });
  expect(describeLibraries({ major: 12, found, missing: ["libcudnn.so.9"], folders: [] })).toMatchObject({
    state: "problem",
    text: "the provider is made for CUDA 12; missing: libcudnn.so.9",
    next: "install cuDNN 9; for instance: pip install nvidia-cudnn-cu12",
  });
});

test("a line per check, what to do below", () => {
  const checks = [ok("Node", "20"), note("GPU", "none"), problem("memory", "1 B", "buy some", "MEMORY_BUDGET")];
  expect(describeChecks(checks)).toBe(
    [
      "ok       Node    20",
      "note     GPU     none",
      "problem  memory  1 B",
      "                 -> buy some",
      "",
      "1 problem",
      "",
    ].join("\n"),
  );
  expect(describeChecks([ok("Node", "20")])).toMatch(/no problems\n$/);
});

test("numbers for people", () => {
  expect([0, 999, 15_500, 8_610_000_000, 143e9, 2e15].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "15.5 kB",
    "8.61 GB",
    "143 GB",
    "2000 TB",
  ]);
  expect([0, 7.4, 750, 3723].map(formatDuration)).toEqual(["0:00", "0:07", "12:30", "1:02:03"]);
  expect(
    formatTable([
      ["a", "b"],
      ["long", ""],
      ["c", "d"],
    ]),
  ).toBe("a     b\nlong\nc     d\n");
});
