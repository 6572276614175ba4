/** examples/batch/slurm.sh on a real Slurm of one node, which the test starts; skipped where Slurm is not installed. */

import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { root, runCli, temporaryFolder } from "../cli/run-cli.ts";
import { goldenPath, storedVariant } from "../golden.ts";

const hasSlurm = ["slurmctld", "slurmd", "munged", "sbatch"].every(
  (program) => spawnSync("which", [program]).status === 0,
);

/** @returns the environment of its commands. Its daemons end with the test. */
async function startSlurm(folder: string): Promise<NodeJS.ProcessEnv> {
  const at = (name: string): string => join(folder, name);
  for (const name of ["state", "spool"]) mkdirSync(at(name));
  writeFileSync(at("munge.key"), randomBytes(1024), { mode: 0o600 });
  chmodSync(folder, 0o755); // munge's clients must reach its socket
  const node = hostname().split(".")[0]!;
  const port = 20_000 + (process.pid % 10_000);
  const settings = {
    ClusterName: "test",
    SlurmctldHost: node,
    SlurmUser: "root",
    SlurmdUser: "root",
    SlurmctldPort: port,
    SlurmdPort: port + 1,
    AuthType: "auth/munge",
    AuthInfo: `socket=${at("munge.sock")}`,
    CredType: "cred/munge",
    ProctrackType: "proctrack/linuxproc",
    TaskPlugin: "task/none",
    SelectType: "select/cons_tres",
    SelectTypeParameters: "CR_Core",
    ReturnToService: 2,
    StateSaveLocation: at("state"),
    SlurmdSpoolDir: at("spool"),
    SlurmctldPidFile: at("slurmctld.pid"),
    SlurmdPidFile: at("slurmd.pid"),
    SlurmctldLogFile: at("slurmctld.log"),
    SlurmdLogFile: at("slurmd.log"),
    MpiDefault: "none",
    JobAcctGatherType: "jobacct_gather/none",
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  const nodes = `NodeName=${node} CPUs=2 RealMemory=1000 State=UNKNOWN\nPartitionName=all Nodes=ALL Default=YES State=UP\n`;
  writeFileSync(at("slurm.conf"), lines.join("") + nodes);
  const env = { ...process.env, SLURM_CONF: at("slurm.conf") };
  onTestFinished(() => {
    for (const name of ["slurmd.pid", "slurmctld.pid", "munged.pid"]) {
      try {
        process.kill(Number(readFileSync(at(name), "utf8")), "SIGKILL");
      } catch {
        // it is gone
      }
    }
  });
  const munge = {
    "key-file": "munge.key",
    socket: "munge.sock",
    "pid-file": "munged.pid",
    "log-file": "munged.log",
    "seed-file": "munge.seed",
  };
  execFileSync("munged", ["--force", ...Object.entries(munge).map(([key, name]) => `--${key}=${at(name)}`)], {
    env,
    stdio: "ignore",
  });
  execFileSync("slurmctld", [], { env, stdio: "ignore" });
  execFileSync("slurmd", [], { env, stdio: "ignore" });
  for (let attempt = 0; attempt < 100; attempt++) {
    if (/\bidle\b/.test(spawnSync("sinfo", [], { env }).stdout.toString())) return env;
    await delay(200);
  }
  throw new Error(`Slurm has no node: ${readFileSync(at("slurmctld.log"), "utf8").slice(-2000)}`);
}

test.skipIf(!hasSlurm || process.getuid?.() !== 0)(
  "an array of two tasks draws all jobs; merged, none is missing",
  { timeout: 300_000 },
  async () => {
    const folder = temporaryFolder();
    const env = await startSlurm(folder);
    const bin = join(folder, "bin");
    mkdirSync(bin);
    symlinkSync(join(root, "bin", "if-gen.js"), join(bin, "if-gen"));
    const jobs = join(folder, "jobs.txt");
    writeFileSync(jobs, Array.from({ length: 5 }, (_, index) => `a cat ${index}\n`).join(""));
    const out = join(folder, "out");
    const options = [
      "-m",
      goldenPath("checkpoints"),
      "--variant",
      storedVariant,
      "--until",
      "64",
      "--stage-1-steps",
      "2",
    ];
    execFileSync(
      "sbatch",
      [
        "--wait",
        "--array=1-2",
        `--output=${join(folder, "log-%a")}`,
        join(root, "examples", "batch", "slurm.sh"),
        jobs,
        out,
        ...options,
        "--safety",
        "off",
      ],
      { env: { ...env, PATH: `${bin}:${process.env["PATH"]}` }, stdio: "pipe" },
    );
    expect(await runCli(["batch", "--merge", "-d", out])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("5 drawn, 0 failed") as string,
    });
    expect(readdirSync(out).filter((name) => name.endsWith(".png"))).toHaveLength(5);
    expect(readdirSync(out).filter((name) => name.startsWith("manifest"))).toEqual([
      "manifest-1-of-2.jsonl",
      "manifest-2-of-2.jsonl",
      "manifest.jsonl",
    ]);
  },
);
