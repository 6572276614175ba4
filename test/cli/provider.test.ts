/** `--execution-provider`, on a machine without an NVIDIA GPU: where there is one, its own tests say what it does. */

import { describe, expect, test } from "vitest";
import { hasNvidiaDevice } from "../../src/machine/nvidia.ts";
import { cudaPlatforms } from "../../src/executor/install-cuda.ts";
import { smallModel } from "../small-model.ts";
import { runCli } from "./run-cli.ts";

const plan = ["plan", "a cat", "--model", smallModel(), "--seed", "7", "--until", "64"];

describe.skipIf(hasNvidiaDevice())("without an NVIDIA GPU", () => {
  test("auto is the CPU; the plan says why, as text and as JSON, and has no stage on a GPU", async () => {
    const [text, json] = await Promise.all([runCli(plan), runCli([...plan, "--json"])]);
    expect(text.stdout.toString()).toMatch(/^provider cpu \(auto; no NVIDIA GPU is here\)$/m);
    expect(text.stdout.toString()).not.toMatch(/not measured/);
    const printed = JSON.parse(json.stdout.toString()) as { provider: object; gpuStages?: object };
    expect(printed.provider).toMatchObject({
      requested: "auto",
      name: "cpu",
      passedOver: [{ name: "cuda" }, { name: "webgpu" }],
    });
    expect(printed.gpuStages).toEqual({});
  });

  test("cuda by name: exit code 9, one sentence, what to do", async () => {
    const run = await runCli([...plan, "--execution-provider", "cuda"]);
    expect(run.code).toBe(9);
    expect(run.stderr.trim().split("\n")).toHaveLength(1);
    const reason = cudaPlatforms.includes(`${process.platform}/${process.arch}`)
      ? "no NVIDIA GPU is here"
      : "for linux/x64 only";
    expect(run.stderr).toContain(reason);
    expect(run.stderr).toMatch(/--execution-provider auto .* \[PROVIDER\]$/m);
  });
});

test.each(["cpu", "webgpu"])("--device-id is not for %s", async (name) => {
  const run = await runCli([...plan, "--execution-provider", name, "--device-id", "1"]);
  expect(run.code).toBe(2);
  expect(run.stderr).toMatch(/--device-id names one of several GPUs; leave it out with --execution-provider/);
});
