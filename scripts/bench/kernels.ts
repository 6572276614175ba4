/**
 * What this program computes itself, outside onnxruntime: by tinybench, in one process. The yardstick, a multiplication and
 * a sum of a million numbers in a loop, tells how fast the machine is, so that ratios can be compared between machines.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Bench } from "tinybench";
import { resizePil } from "../../src/image/resize-pil.ts";
import { encodePng } from "../../src/image/write-png.ts";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import { cpu } from "../../src/onnx/lower/cpu/cpu.ts";
import { applyGuidance } from "../../src/pipelines/guidance.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { bindWeights } from "../../src/runtime/bind-weights.ts";
import { externalLocation } from "../../src/runtime/execution-providers.ts";
import { parseSchedulerConfig } from "../../src/schedulers/config.ts";
import { createScheduler } from "../../src/schedulers/create-scheduler.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { parseHeader } from "../../src/weights/safetensors-header.ts";
import { resolveVariant } from "../../src/weights/variants.ts";
import { type Pair, median, pair } from "./pairs.ts";
import { type Settings, checkpointOf, log } from "./settings.ts";

const YARDSTICK = "a million products and sums";

export async function benchKernels({ plan, rounds }: Settings): Promise<Pair[]> {
  log("kernels ...");
  const kernels = await createKernels(plan);
  const times = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: 100, iterations: 8, warmupTime: 50, warmupIterations: 4 });
    for (const [name, kernel] of Object.entries(kernels)) bench.add(name, kernel);
    await bench.run();
    for (const { name, result } of bench.tasks) {
      if (result.state !== "completed") throw new Error(`${name}: ${result.state}`);
      times.set(name, [...(times.get(name) ?? []), result.latency.p50]);
    }
  }
  const yardstick = times.get(YARDSTICK) ?? [];
  log(`  the yardstick, ${YARDSTICK}: ${median(yardstick).toFixed(2)} ms`);
  return [...times]
    .filter(([name]) => name !== YARDSTICK)
    .map(([name, ours]) => pair(name, "ms", ours, yardstick, YARDSTICK));
}

async function createKernels(plan: Plan): Promise<Record<string, () => unknown>> {
  const numbers = createGenerator(7).randn([1, 3, 256, 256]);
  const x = new Float32Array(2 ** 20).fill(0.5);
  const unet = join(checkpointOf(plan, "stage-1"), "unet");
  const weights = await openWeights(unet, await resolveVariant(unet, undefined, ["fp16", "fp32"]));
  const [file = ""] = [...weights.tensors.values()].map((entry) => entry.file);
  const bytes = readFileSync(file);
  const config = await readIfUnetConfig(unet);
  const build = () => buildIfUnet(config, { batch: 2, height: 64, width: 64, textLength: 77 });
  const graph = build();
  const lookup = await bindWeights(weights);
  const lowered = lower(graph, lookup, cpu);
  const image = {
    data: new Uint8Array(3 * 256 * 256).map((_, at) => at),
    width: 256,
    height: 256,
    channels: 3,
  } as const;
  return {
    [YARDSTICK]: () => {
      for (let at = 0; at < x.length; at++) x[at] = x[at]! * 0.5 + 0.25;
    },
    "random normals, 256 px": () => createGenerator(7).randn([1, 3, 256, 256]),
    "guidance, 256 px": () => applyGuidance(stack(numbers, 4), { guidanceScale: 4 }, 3, { step: 0, steps: 1 }),
    "DDPM step, thresholded, 256 px": schedulerStep(checkpointOf(plan, "stage-1"), numbers),
    "DDIM step, 256 px latents": schedulerStep(checkpointOf(plan, "stage-3"), numbers),
    "bicubic resize, 256 -> 1024 px": () => resizePil(image, 1024, 1024),
    "PNG, 256 px": () => encodePng(image),
    "safetensors header": () => parseHeader(bytes, bytes.length, file),
    "UNet graph, built": build,
    "UNet graph, lowered": () => lower(graph, lookup, cpu),
    "UNet graph, encoded": () => encodeModel(lowered, cpu.opset, externalLocation),
  };
}

/** The same numbers again and again: (1, 3, ...) -> (rows / 2, 6, ...). */
function stack({ data, shape }: Tensor, rows: number): Tensor {
  const stacked = new Float32Array(rows * data.length);
  for (let row = 0; row < rows; row++) stacked.set(data, row * data.length);
  return { data: stacked, shape: [rows / 2, 6, ...shape.slice(2)] };
}

function schedulerStep(checkpoint: string, sample: Tensor): () => unknown {
  const path = join(checkpoint, "scheduler", "scheduler_config.json");
  const scheduler = createScheduler(parseSchedulerConfig(JSON.parse(readFileSync(path, "utf8")), path));
  scheduler.setTimesteps({ numInferenceSteps: 50 });
  const generator = createGenerator(7);
  const modelOutput = scheduler.takesLearnedVariance ? stack(sample, 2) : sample;
  const timestep = scheduler.timesteps[20] ?? 0;
  return () => scheduler.step(modelOutput, timestep, sample, { generator });
}
