/**
 * One step of a UNet on a GPU, for each way of lowering it: seconds to load, milliseconds a step, the GPU's
 * memory, and how far the result is from the reference's.
 *
 *   node build/scripts/measure/gpu.js UNET_FOLDER [--case FILE.safetensors] [--variants all|a,b] [--side 64] [--batch 2]
 *       [--provider webgpu] [--type float16] [--runs 5] [--blocks CACHE] [--quantize] [--without MatMulAddFusion] [--alone]
 *       [--same-weights] [--settings validationMode=disabled] [--hoisted] [--spares-gpu] [--cold] [--read-ahead] [--profile FOLDER]
 *       [--json FILE] [--seconds 120] [--until EPOCH] [--name NAME] [--list]
 *
 * Each variant is a process of its own, ended after --seconds; none is started after --until. --list prints their names.
 * Prints a line for each; --json appends them as JSON, --profile adds the time of each kind of operation.
 * --case holds the inputs and `expected` (scripts/bench/gpu/time_torch.py writes it). Without it the expected result is
 * computed on the CPU, with --same-weights from the variant's 8-bit blocks, with --alone not at all. --blocks is where weights in 8-bit blocks are kept, and made where
 * they are missing, for the variants that take such; --quantize makes them and ends. --without names optimizers of
 * onnxruntime that are left out, --settings gives the provider settings of its own. --hoisted times the step as the program
 * runs it: what depends on the text alone is computed once, before; with --spares-gpu on the CPU. --cold empties
 * the page cache first (needs root), --read-ahead reads the weights in this process while the other one loads them, as the
 * program does.
 */

import { fork } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Measured, blocksOf, measureVariant } from "../bench/gpu/measure-variant.ts";
import { type GpuSampler, sampleGpu } from "../bench/gpu/sample-gpu.ts";
import { takesBlocks, variantNames } from "../bench/gpu/variants.ts";
import { dropPageCache } from "./watched-process.ts";
import { readFiles } from "../../src/executor/read-ahead.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    case: { type: "string" },
    variants: { type: "string", default: "all" },
    blocks: { type: "string" },
    name: { type: "string" },
    side: { type: "string", default: "64" },
    batch: { type: "string", default: "2" },
    provider: { type: "string", default: "webgpu" },
    type: { type: "string", default: "float16" },
    runs: { type: "string", default: "5" },
    alone: { type: "boolean", default: false },
    "same-weights": { type: "boolean", default: false },
    without: { type: "string" },
    settings: { type: "string" },
    "memory-pattern": { type: "string" },
    hoisted: { type: "boolean", default: false },
    cold: { type: "boolean", default: false },
    "read-ahead": { type: "boolean", default: false },
    "spares-gpu": { type: "boolean", default: false },
    profile: { type: "string" },
    json: { type: "string" },
    seconds: { type: "string", default: "120" },
    until: { type: "string", default: "Infinity" },
    list: { type: "boolean" },
    quantize: { type: "boolean" },
    child: { type: "boolean" },
  },
});
const [folder = ""] = positionals;

const END_SECONDS = 10;

/** A line of the log: what a child measured, or why it did not. */
type Outcome = Partial<Measured> & {
  readonly network: string;
  readonly variant: string;
  readonly gpuMiB?: number;
  readonly idleMiB?: number;
  readonly failure?: string;
};

async function child(variant: string): Promise<void> {
  process.once("disconnect", () => process.exit()); // the parent was ended: the GPU is not to stay busy
  const measured = await measureVariant(folder, {
    ...values,
    variant,
    sparesGpu: values["spares-gpu"],
    sameWeights: values["same-weights"],
    ...(values["memory-pattern"] === undefined ? {} : { memoryPattern: values["memory-pattern"] }),
    shape: { batch: Number(values.batch), height: Number(values.side), width: Number(values.side), textLength: 77 },
    runs: Number(values.runs),
  });
  process.send?.(measured);
  process.disconnect();
}

/** Runs one variant in a process of its own; its end, whatever it is, is the outcome. */
async function runChild(variant: string, gpu: GpuSampler): Promise<Outcome> {
  const weights = takesBlocks(variant) ? await blocksOf(folder, values.blocks ?? ".") : folder;
  const { files } = await openWeights(weights);
  if (values.cold) dropPageCache();
  const idleMiB = gpu.now();
  gpu.takePeak();
  const network = values.name ?? folder;
  const started = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--child", "--variants", variant], {
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    serialization: "advanced", // JSON has no NaN
  });
  const ended = new AbortController();
  if (values["read-ahead"]) void readFiles(files, () => Infinity, ended.signal);
  return new Promise((resolve) => {
    let measured: Measured | undefined;
    let stderr = "";
    started.stderr?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-2000)));
    const killAfter = (seconds: number): NodeJS.Timeout =>
      setTimeout(() => started.kill("SIGKILL"), Math.max(0, seconds) * 1000);
    let timer = killAfter(Math.min(Number(values.seconds), Number(values.until) - Date.now() / 1000));
    started.on("message", (message) => {
      measured = message as Measured;
      clearTimeout(timer);
      timer = killAfter(END_SECONDS); // all is known; a driver that does not end is not waited for
    });
    started.once("close", (code, signal) => {
      clearTimeout(timer);
      ended.abort();
      const peak = gpu.takePeak();
      const memory = peak === undefined || idleMiB === undefined ? {} : { gpuMiB: peak - idleMiB, idleMiB };
      const failed = measured ? {} : { failure: `${signal ?? code}: ${lastWords(stderr)}` };
      const without = values.without === undefined ? "" : ` without ${values.without}`;
      const settings = values.settings === undefined ? "" : ` ${values.settings}`;
      const how = [
        values.hoisted && "hoisted",
        values["spares-gpu"] && "sparing the GPU",
        values.cold && "cold",
        values["memory-pattern"] && `memory pattern ${values["memory-pattern"]}`,
        values["read-ahead"] && "read ahead",
      ];
      const batch = values.batch === "2" ? "" : ` batch ${values.batch}`;
      const named = `${[variant, ...how.filter(Boolean)].join(" ")}${batch}${without}${settings}`;
      resolve({ network, variant: named, ...memory, ...measured, ...failed });
    });
  });
}

async function quantize(): Promise<void> {
  const start = performance.now();
  const made = await blocksOf(folder, values.blocks ?? ".");
  console.log(`${values.name ?? folder}: ${made} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

const lastWords = (stderr: string): string =>
  /\w*Error: .*/.exec(stderr)?.[0].slice(0, 300) ?? stderr.trim().slice(-300);

function describe(outcome: Outcome): string {
  const { network, variant, failure, stepMs, loading, memoryMiB, error, gpuMiB, residentMB } = outcome;
  const head = `${network.padEnd(10)} ${variant.padEnd(18)}`;
  if (failure !== undefined) return `${head} FAILED ${failure}`;
  const parts = [
    `${stepMs?.toFixed(1)} ms a step`,
    `loaded in ${loading?.seconds.toFixed(2)} s (user ${loading?.userSeconds.toFixed(2)}, system ${loading?.systemSeconds.toFixed(2)})`,
    `MiB ${memoryMiB?.join(" ") ?? "?"}`,
    `error ${error === undefined ? "?" : error.toExponential(2)}`,
    `GPU ${gpuMiB ?? "?"} MiB`,
    `RAM ${residentMB} MB`,
  ];
  return `${head} ${parts.join(", ")}`;
}

async function parent(): Promise<void> {
  const gpu = sampleGpu();
  const names = values.variants === "all" ? variantNames(values.provider, values.blocks) : values.variants.split(",");
  try {
    for (const variant of names) {
      const late = Date.now() / 1000 >= Number(values.until);
      const outcome = late
        ? { network: values.name ?? folder, variant, failure: "no time left" }
        : await runChild(variant, gpu);
      console.log(describe(outcome));
      for (const { operator, calls, milliseconds } of outcome.profile?.kernels ?? []) {
        console.log(`    GPU  ${milliseconds.toFixed(2).padStart(9)} ms ${calls} x ${operator}`);
      }
      for (const { operator, calls, milliseconds } of outcome.profile?.nodes ?? []) {
        console.log(`    host ${milliseconds.toFixed(2).padStart(9)} ms ${calls} x ${operator}`);
      }
      if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify(outcome)}\n`);
    }
  } finally {
    gpu.stop();
  }
}

if (values.quantize) await quantize();
else if (values.list) console.log(variantNames(values.provider, values.blocks).join("\n"));
else await (values.child ? child(values.variants) : parent());
