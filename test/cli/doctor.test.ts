/** `doctor` and `setup cuda`, whatever machine this is. */

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { note, ok, problem } from "../../src/cli/doctor/check.ts";
import { describeChecks } from "../../src/cli/doctor.ts";
import { formatDuration, formatTable } from "../../src/cli/format.ts";
import { parseNvidiaSmi } from "../../src/executor/probe.ts";
import { createCli } from "./hub-server.ts";
import { startHub } from "../hub/server.ts";
import { formatBytes } from "../../src/machine/bytes.ts";

interface Report {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly state: string;
    readonly text: string;
    readonly next?: string;
    readonly breaksDemo?: string;
  }[];
}

describe("doctor", () => {
  test("looks at everything; its exit code is about the demo alone", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    const { code, stdout, stderr } = await cli.run(["doctor", "--json"]);
    const { ok: runs, checks } = JSON.parse(stdout) as Report;
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(
        (
          "Node, platform, processor, memory, temporary folder, model cache, onnxruntime, image library, demo, " +
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
    expect(runs).toBe(checks.every(({ breaksDemo }) => breaksDemo === undefined));
    expect(code === 0).toBe(runs);
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
    const away = JSON.parse((await cli.run(["doctor", "--json"])).stdout) as Report;
    expect(away.checks.find(({ name }) => name === "Hub")).toMatchObject({ state: "problem" });
    expect(away.checks.find(({ name }) => name === "Hub")).not.toHaveProperty("breaksDemo");
    const { stdout } = await cli.run(["doctor"], { env: { HF_HUB_OFFLINE: "1", HTTPS_PROXY: "http://proxy" } });
    expect(stdout).toMatch(/^note +Hub +HF_HUB_OFFLINE is set/m);
    expect(stdout).toMatch(/^note +proxy +HTTPS_PROXY is set/m);
  });

  test.runIf(process.platform === "linux" && process.arch === "x64")(
    "with a card, what it lacks is a problem; without one it is not",
    async () => {
      const hub = await startHub();
      const cli = await createCli(hub);
      const tool = join(cli.folder, "nvidia-smi");
      writeFileSync(tool, "#!/bin/sh\necho 'NVIDIA H100, 81559, 81000, 580.95.05'\n", { mode: 0o755 });
      const env = { PATH: `${cli.folder}:${process.env["PATH"] ?? ""}` };
      const { checks } = JSON.parse((await cli.run(["doctor", "--json"], { env })).stdout) as Report;
      const byName = new Map(checks.map((check) => [check.name, check]));
      expect(byName.get("GPU")).toMatchObject({ state: "ok", text: "NVIDIA H100, 85.5 GB" });
      const isSpare = byName.get("webgpu")?.state === "ok";
      for (const name of ["NVIDIA driver", "Vulkan loader", "webgpu", "CUDA libraries", "cuda"]) {
        if (!isSpare) expect(byName.get(name)?.state, name).not.toBe("note");
        expect(byName.get(name), name).not.toHaveProperty("breaksDemo");
      }
      expect(byName.get("cuda")?.next ?? "works").toMatch(/setup cuda|CUDA libraries|driver|works/);
    },
  );

  test("a temporary folder that is not there", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    writeFileSync(join(cli.folder, "file"), "");
    const { code, stdout } = await cli.run(["doctor", "--json"], { env: { TMPDIR: join(cli.folder, "file") } });
    expect(code).not.toBe(0);
    const { checks } = JSON.parse(stdout) as Report;
    expect(checks.find(({ name }) => name === "temporary folder")).toMatchObject({ breaksDemo: "OUTPUT" });
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

test("what nvidia-smi prints", () => {
  expect(parseNvidiaSmi("NVIDIA H200, 143771, 143120, 580.95.05\nTesla T4, 15360, 15095, 580.95.05\n\n")).toEqual([
    { name: "NVIDIA H200", memoryBytes: 143771 * 2 ** 20, freeBytes: 143120 * 2 ** 20, driver: "580.95.05" },
    { name: "Tesla T4", memoryBytes: 15360 * 2 ** 20, freeBytes: 15095 * 2 ** 20, driver: "580.95.05" },
  ]);
  expect(parseNvidiaSmi("No devices were found\n")).toEqual([]);
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
