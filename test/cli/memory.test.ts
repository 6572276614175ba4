/** Budgets, reports and interrupted runs of the built program, on the tiny checkpoints. */

import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { smallModel } from "../small-model.ts";
import { eventsOf, finish, runCli, startCli, temporaryFolder } from "./run-cli.ts";

const model = ["--model", smallModel(), "--seed", "7", "--execution-provider", "cpu"];
const steps = ["--stage-1-steps", "6", "--stage-2-steps", "4"];
const args = ["txt2img", "a cat", ...model, "--until", "256", ...steps];

interface Report {
  readonly limits: { readonly ramBytes: number };
  readonly stages: readonly {
    readonly peakBytes: number;
    readonly measured: { readonly residentBytes: number; readonly privateBytes: number };
    readonly ratio: number;
  }[];
}

/** @returns what stops watching. It returns the most memory that the process took, in bytes. */
function watchPeak(pid: number): () => number {
  let peakBytes = 0;
  const timer = setInterval(() => {
    const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "";
    peakBytes = Math.max(peakBytes, 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0));
  }, 20);
  return () => {
    clearInterval(timer);
    return peakBytes;
  };
}

describe("the budget", () => {
  test.skipIf(process.platform !== "linux")(
    "holds stages that fit one after the other and not together; what was predicted is what was measured; " +
      "the program itself stays under 150 MB",
    async () => {
      const folder = temporaryFolder();
      const budget = ["--ram-budget", "300MB", "--report", "report.json", "--quiet"];
      const running = startCli([...args, "-o", "cat.png", ...budget], { cwd: folder });
      const ownPeak = watchPeak(running.pid ?? 0);
      expect(await finish(running)).toMatchObject({ code: 0, stderr: "" });
      expect(ownPeak()).toBeGreaterThan(30e6);
      expect(ownPeak()).toBeLessThan(150e6);
      const { stages, limits } = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as Report;
      const peaks = stages.map(({ measured }) => measured.residentBytes);
      expect(limits.ramBytes).toBe(300e6);
      expect(peaks.reduce((sum, peak) => sum + peak, 0)).toBeGreaterThan(limits.ramBytes);
      expect(Math.max(...peaks)).toBeLessThan(limits.ramBytes);
      expect(Math.min(...peaks)).toBeGreaterThan(50e6);
      for (const { ratio } of stages) {
        // the process alone is most of these; how much it takes depends on Node's version
        expect(ratio).toBeGreaterThan(0.75);
        expect(ratio).toBeLessThan(1.35);
      }
    },
  );

  test("refuses beforehand what cannot fit, with the table; a dry run prints it", async () => {
    const run = await runCli([...args, "--ram-budget", "50MB", "-o", join(temporaryFolder(), "cat.png")]);
    expect(run.code).toBe(3);
    expect(run.stderr).toMatch(/text-encoding needs 0\.\d+ GB of memory but the budget is 0\.05 GB \(--ram-budget\)/);
    expect(run.stderr).toMatch(/stage-2 +UNet .*does not fit/);
    const dry = await runCli(["plan", ...model, "--until", "256", "--budget", "colab"]);
    expect(dry.code).toBe(0);
    expect(dry.stdout.toString()).toMatch(/RAM 13\.00 \(--budget colab\).*\n.*peak RAM.*\ntext-encoding +T5 .*fits/);
  });

  test("is kept by doing less at a time, and a note says so", async () => {
    const folder = temporaryFolder();
    const many = ["txt2img", "a cat", ...model, "--until", "64"];
    type Dry = { lowMemory: unknown; notes: string[]; memory: { needs: { peakBytes: number }[] } };
    const dry = async (budget: string): Promise<Dry> => {
      const words = ["--num-images", "24", "--ram-budget", budget, "--dry-run", "--json"];
      const { stdout } = await runCli([...many, ...words], { cwd: folder });
      return JSON.parse(stdout.toString()) as Dry;
    };
    const { memory, lowMemory } = await dry("1GB");
    expect(lowMemory).toEqual({});
    const tight = await dry(String(Math.floor((memory.needs[1]?.peakBytes ?? 0) - 2e6)));
    expect(tight.lowMemory).toEqual({ "stage-1": { microBatch: expect.any(Number) as number } });
    expect(tight.notes).toContainEqual(expect.stringMatching(/slower low-memory mode: stage-1: micro-batches of \d/));
  });

  test("T5 in 4 bits, or on int8 activations, draws another image; both together are refused", async () => {
    const folder = temporaryFolder();
    const settings = { cwd: folder, env: { XDG_CACHE_HOME: join(folder, "cache") } };
    const ways = [[], ["--text-encoder-bits", "4"], ["--text-encoder-activations", "int8"]];
    const small = ["txt2img", "a cat", ...model, "--until", "64", "--stage-1-steps", "2", "--safety", "off"];
    const drawn: string[] = [];
    for (const [index, way] of ways.entries()) {
      const run = await runCli([...small, ...way, "-o", `${index}.png`, "--json", "--quiet"], settings);
      expect(run).toMatchObject({ code: 0, stderr: "" });
      const { plan } = eventsOf(run)[0] as { plan: { textEncoder?: unknown } };
      expect(plan.textEncoder).toEqual(
        way.length === 0 ? undefined : { cache: join(folder, "cache/if-gen/text-encoder"), ...choices[index] },
      );
      drawn.push(readFileSync(join(folder, `${index}.png`)).toString("latin1"));
    }
    expect(new Set(drawn).size).toBe(3);
    const both = await runCli([...small, ...ways.flat(), "-o", "no.png"], settings);
    expect(both).toMatchObject({ code: 2, stderr: expect.stringMatching(/goes with --text-encoder-bits 8/) as string });
  });
  const choices = [{}, { bits: 4, activations: "float32" }, { bits: 8, activations: "int8" }];

  test("UNets in 8 bits draw another image, and are made once for all runs", async () => {
    const folder = temporaryFolder();
    const settings = { cwd: folder, env: { XDG_CACHE_HOME: join(folder, "cache") } };
    const small = ["txt2img", "a cat", ...model, "--until", "256", ...steps, "--safety", "off", "--json", "--quiet"];
    const draw = async (...way: string[]): Promise<string> => {
      const run = await runCli([...small, ...way, "-o", "cat.png", "--overwrite"], settings);
      expect(run).toMatchObject({ code: 0 });
      const { plan } = eventsOf(run)[0] as { plan: { unet?: unknown } };
      const choice = { bits: 8, cache: join(folder, "cache/if-gen/unet") };
      expect(plan.unet).toEqual(way[1] === "8" ? choice : undefined);
      return readFileSync(join(folder, "cat.png")).toString("latin1");
    };
    const stored = await draw("--unet-bits", "16");
    const made = await draw("--unet-bits", "8");
    expect(made).not.toBe(stored);
    const kept = readdirSync(join(folder, "cache/if-gen/unet"));
    expect(kept).toHaveLength(2); // of stages 1 and 2
    expect(await draw("--unet-bits", "8")).toBe(made);
    expect(readdirSync(join(folder, "cache/if-gen/unet"))).toEqual(kept);
  });

  test("--resume without a folder, an amount that is none", async () => {
    expect(await runCli([...args, "--resume"])).toMatchObject({ code: 2 });
    expect(await runCli([...args, "--ram-budget", "lots"])).toMatchObject({ code: 2 });
  });
});

describe.skipIf(process.platform === "win32")("a run that is ended", () => {
  /** Numbers in [0, 1) that are the same every time. */
  let state = 12345;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;

  test(
    "by SIGKILL at 4 moments ends, resumed each time, with the bytes of an unbroken one",
    { timeout: 240_000 },
    async () => {
      const folder = temporaryFolder();
      const start = performance.now();
      expect(await runCli([...args, "-o", "whole.png", "--quiet"], { cwd: folder })).toMatchObject({ code: 0 });
      const whole = performance.now() - start;
      const command = [...args, "-o", "broken.png", "--run-dir", "run", "--resume", "--quiet"];
      for (let kill = 0; kill < 4; kill++) {
        const run = startCli(command, { cwd: folder });
        const ended = finish(run);
        await wait(whole * random() * 0.6);
        run.kill("SIGKILL"); // the program alone: what its stage does then is part of the test
        await ended;
      }
      const last = await runCli(command, { cwd: folder });
      expect(last).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(join(folder, "broken.png")).equals(readFileSync(join(folder, "whole.png")))).toBe(true);
      const kept = readdirSync(join(folder, "run"), { recursive: true, encoding: "utf8" });
      expect(kept.filter((name) => !name.endsWith(".png") && name !== join("job-1", "safety.json")).sort()).toEqual(
        [
          "job-1",
          join("job-1", "negative_prompt_embeds.safetensors"),
          join("job-1", "prompt_embeds.safetensors"),
          join("job-1", "stage-1.safetensors"),
          join("job-1", "stage-2.safetensors"),
          "run.json",
        ].sort(),
      );
    },
  );

  test("goes on without its prompt and settings: all is kept in the folder", async () => {
    const folder = temporaryFolder();
    const run = (...words: string[]): Promise<unknown> => runCli([...words, "--quiet"], { cwd: folder });
    expect(await run(...args, "-o", "whole.png", "--run-dir", "run")).toMatchObject({ code: 0, stderr: "" });
    rmSync(join(folder, "run", "job-1", "stage-2.safetensors"));
    const resume = ["--run-dir", "run", "--resume"];
    expect(await run("txt2img", ...resume, "-o", "cat.png")).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(join(folder, "cat.png")).equals(readFileSync(join(folder, "whole.png")))).toBe(true);
    expect(await run("txt2img", "a dog", ...resume, "-o", "dog.png")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/run with other settings/) as string,
    });
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s ends its stage and exits with %d; what is finished can be gone on with", async (signal, code) => {
    const folder = temporaryFolder();
    const command = [...args, "-o", "cat.png", "--run-dir", "run"];
    const run = startCli([...command, "--stage-2-steps", "999"], { cwd: folder });
    let [said, sent] = ["", false];
    run.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (sent || !/\[2\/\d\].*6\/6/.test(said)) return;
      sent = true;
      process.kill(-(run.pid ?? 0), signal); // to the whole group, as a terminal does
    });
    const ended = await finish(run);
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(/finished stages are in run; `if-gen txt2img --run-dir run --resume.*` goes on\./);
    expect(readdirSync(join(folder, "run"))).toContain("run.json");
  });
});
