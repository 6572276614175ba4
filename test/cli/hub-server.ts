/**
 * The tiny reference checkpoints as repositories of a test Hub, under the names that models.json gives the published
 * ones, with the files beside them that nobody should fetch; and the built program run against it.
 */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { smallModel } from "../small-model.ts";
import { commit, type ServedFile, servedFile, startHub, type TestHub } from "../hub/server.ts";

/** Which checkpoint plays which repository. */
const served = {
  "DeepFloyd/IF-I-L-v1.0": "if-i",
  "DeepFloyd/IF-I-M-v1.0": "if-i",
  "DeepFloyd/IF-I-XL-v1.0": "if-i",
  "DeepFloyd/IF-II-L-v1.0": "if-ii",
  "DeepFloyd/IF-II-M-v1.0": "if-ii",
  "stabilityai/stable-diffusion-x4-upscaler": "x4-upscaler",
} as const;

/** Files that lie in the published repositories and that no run reads. */
const unwanted = [
  "README.md",
  "unet/diffusion_pytorch_model.bin",
  "text_encoder/pytorch_model.fp16-00001-of-00002.bin",
  "unet/model.onnx",
  "x4-upscaler-ema.safetensors",
];

export async function startModelHub(): Promise<TestHub> {
  const hub = await startHub();
  const files = new Map(Object.values(served).map((checkpoint) => [checkpoint, readCheckpoint(checkpoint)]));
  for (const [repo, checkpoint] of Object.entries(served)) {
    hub.repos.set(repo, { files: files.get(checkpoint) ?? [], refs: { main: commit } });
  }
  return hub;
}

function readCheckpoint(checkpoint: string): ServedFile[] {
  const root = smallModel(checkpoint);
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map((entry) => {
    const path = relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, "/");
    return { path, content: readFileSync(join(root, path)), lfs: /\.(safetensors|model)$/.test(path) };
  });
  return [...files, ...unwanted.map((path) => servedFile(path, 5000, path !== "README.md"))];
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cli {
  /** HF_HOME. */
  readonly home: string;
  /** A folder to write in. */
  readonly folder: string;
  readonly run: (
    args: readonly string[],
    options?: { env?: Record<string, string>; stdin?: string },
  ) => Promise<CliResult>;
}

const program = fileURLToPath(new URL("../../bin/if-gen.js", import.meta.url));

/** The program with an empty HF_HOME and an environment that says nothing else; gone when the test ends. */
export async function createCli(hub: Pick<TestHub, "url">): Promise<Cli> {
  const folder = await mkdtemp(join(tmpdir(), "if-gen-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const home = join(folder, "huggingface");
  const base = {
    PATH: process.env["PATH"] ?? "",
    HOME: join(folder, "home"),
    HF_HOME: home,
    HF_ENDPOINT: hub.url,
    XDG_CONFIG_HOME: join(folder, "config"),
  };
  return {
    home,
    folder,
    run: (args, options = {}) => runProgram(args, { ...base, ...options.env }, options.stdin, folder),
  };
}

function runProgram(
  args: readonly string[],
  env: Record<string, string>,
  stdin: string | undefined,
  cwd: string,
): Promise<CliResult> {
  const child = spawn(process.execPath, [program, ...args], { env, cwd, stdio: "pipe" });
  const result = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (result.stderr += chunk.toString()));
  child.stdin.end(stdin ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...result }));
  });
}
