/** Compares a scheduler with all that the reference recorded of it: tables, timesteps, every step of every trace. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createGenerator, type Generator } from "../../src/math/random.ts";
import { tensor, type Tensor } from "../../src/math/tensor.ts";
import {
  parseSchedulerConfig,
  resolveConfig,
  type SchedulerClassName,
  type SchedulerConfig,
  type SchedulerFile,
} from "../../src/schedulers/config.ts";
import { type CreateSchedulerOptions, createScheduler } from "../../src/schedulers/create-scheduler.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { bundledPath, goldenPath } from "../golden.ts";
import { maxDifference, readGoldenTensors, type GoldenTensors } from "../math/golden-tensors.ts";

interface Trace {
  trace: number;
  set_timesteps: { num_inference_steps: number } | { timesteps: number[] };
  begin: number;
  timesteps: number[];
  noise_seed: number;
  eta: number;
  learned_variance_channels: boolean;
}
/** A scheduler as the profile writes it: a class, the checkpoint's folder whose config it takes over, and what wins over that. */
export interface SchedulerSpec {
  class: SchedulerClassName;
  from: string;
  kwargs?: Record<string, unknown>;
}
interface Entry {
  class: SchedulerClassName;
  spec: Omit<SchedulerSpec, "class">;
  config: Record<string, unknown>;
  order: number;
  set_timesteps: { num_inference_steps: number; timesteps: number[]; init_noise_sigma: number; sigmas?: number[] }[];
  custom: { name: string; timesteps: number[] }[];
  traces: Trace[];
  add_noise: { steps: number; timesteps: number[] };
}

/** Between torch's vectorised float32 kernels and these: last digits of exp, log and sqrt, carried through the steps. */
const tolerance = 2e-5;
const relativeToOne = (expected: number): number => Math.max(1, Math.abs(expected));

const readIndex = (path: string): Record<string, Entry> =>
  JSON.parse(readFileSync(path, "utf8")) as Record<string, Entry>;
/** Those of the set in use, and what test/golden has besides. */
const index = {
  ...readIndex(bundledPath("scheduler", "schedulers.json")),
  ...readIndex(goldenPath("scheduler", "schedulers.json")),
};

export const customTimesteps = JSON.parse(
  readFileSync(goldenPath("scheduler", "custom_timesteps.json"), "utf8"),
) as Record<string, number[]>;

/** @returns the scheduler_config.json of a golden checkpoint, as read. */
export function goldenConfig(folder: string): { json: Record<string, unknown>; file: string } {
  const file = `${folder}/scheduler_config.json`;
  return { json: JSON.parse(readFileSync(goldenPath("checkpoints", file), "utf8")) as Record<string, unknown>, file };
}

/** @returns what `createScheduler` takes. */
export function goldenOptions(spec: SchedulerSpec): [SchedulerFile, Required<CreateSchedulerOptions>] {
  const { json, file } = goldenConfig(spec.from);
  const overrides = camelCased(spec.kwargs ?? {}) as Partial<SchedulerConfig>;
  return [parseSchedulerConfig(json, file), { className: spec.class, overrides }];
}

/** The golden schedulers whose tables were recorded, each with the config that made them. */
export function goldenTables(): { name: string; config: SchedulerConfig; golden: GoldenTensors }[] {
  return Object.entries(index)
    .map(([name, entry]) => {
      const { json, file } = goldenConfig(entry.spec.from);
      const config = resolveConfig(parseSchedulerConfig(json, file), entry.class, {});
      return { name, config, golden: readGoldenTensors("scheduler", `${name}.safetensors`) };
    })
    .filter(({ golden }) => golden.has("betas"));
}

/** Tests for every golden scheduler of this class. */
export function goldenSchedulers(className: SchedulerClassName): void {
  const entries = Object.entries(index).filter(([, entry]) => entry.class === className);
  test("there are golden traces", () => {
    expect(entries.flatMap(([, entry]) => entry.traces).length).toBeGreaterThan(0);
  });
  describe.each(entries)("golden %s", (name, entry) => {
    const [schedulerFile, options] = goldenOptions({ ...entry.spec, class: className });
    const create = (): Scheduler => createScheduler(schedulerFile, options);
    const golden = readGoldenTensors("scheduler", `${name}.safetensors`);

    test("every key has the reference's value", () => {
      const [actual, expected] = comparableConfigs(create().config, entry);
      expect(Object.keys(actual).length).toBeGreaterThan(8);
      expect(actual).toEqual(expected);
    });
    test.each(entry.set_timesteps)("$num_inference_steps steps", (row) => {
      const scheduler = create();
      scheduler.setTimesteps({ numInferenceSteps: row.num_inference_steps });
      expect(scheduler.timesteps).toEqual(row.timesteps);
      expect(scheduler.initNoiseSigma / row.init_noise_sigma).toBeCloseTo(1, 6);
    });
    test.each(entry.custom)("timesteps $name", ({ timesteps }) => {
      const scheduler = create();
      scheduler.setTimesteps({ timesteps });
      expect(scheduler.timesteps).toEqual(timesteps);
    });
    test.each(entry.traces)("trace $trace", (trace) => {
      const scheduler = create();
      expect(scheduler.order).toBe(entry.order);
      expect(scheduler.takesLearnedVariance).toBe(trace.learned_variance_channels);
      const { differences, generator } = replay(scheduler, trace, golden);
      expect(Object.keys(differences).length).toBeGreaterThanOrEqual(trace.timesteps.length);
      expect(tooLarge(differences)).toEqual({});
      // the next numbers tell how many were drawn
      expect(generator.randn([4]).data).toEqual(golden.floats(`t${trace.trace}.generator_next4`));
    });
    test("add_noise", () => {
      const scheduler = create();
      scheduler.setTimesteps({ numInferenceSteps: entry.add_noise.steps });
      const [original, noise] = [read(golden, "add_noise.original"), read(golden, "add_noise.noise")];
      const noisy = scheduler.addNoise(original, noise, entry.add_noise.timesteps);
      expect(noisy.shape).toEqual(golden.shape("add_noise.result"));
      expect(maxDifference(noisy.data, golden.floats("add_noise.result"), relativeToOne)).toBeLessThan(1e-6);
    });
  });
}

/** Ours and the reference's, reduced to the keys that both have. */
function comparableConfigs(config: SchedulerConfig, entry: Entry): [object, object] {
  const reference = camelCased(entry.config);
  // the reference overrides a key only where the class has it
  const hasVariance = entry.class === "DDPMScheduler" || entry.class === "DPMSolverMultistepScheduler";
  const common = Object.entries(config).filter(([key]) => key in reference && (key !== "varianceType" || hasVariance));
  const expected = common.map(([key]) => [key, reference[key] === "-inf" ? null : reference[key]]);
  return [Object.fromEntries(common), Object.fromEntries(expected)];
}

/** @returns how far each recorded tensor is from ours, and the generator after the last step. */
function replay(
  scheduler: Scheduler,
  trace: Trace,
  golden: GoldenTensors,
): { differences: Record<string, number>; generator: Generator } {
  const { set_timesteps: selection } = trace;
  scheduler.setTimesteps("timesteps" in selection ? selection : { numInferenceSteps: selection.num_inference_steps });
  const begin = trace.begin * scheduler.order;
  if (begin > 0) scheduler.setBeginIndex(begin);

  const generator = createGenerator(trace.noise_seed);
  const differences: Record<string, number> = {};
  let sample = read(golden, `t${trace.trace}.sample0`);
  trace.timesteps.forEach((timestep, i) => {
    const at = `t${trace.trace}.${i}.`;
    const compare = (actual: Tensor, name: string): void => {
      differences[name] = maxDifference(actual.data, golden.floats(name), relativeToOne);
    };
    const scaled = scheduler.scaleModelInput(sample, timestep);
    if (golden.has(`${at}scaled_input`)) compare(scaled, `${at}scaled_input`);
    else differences[`${at}input`] = scaled === sample ? 0 : Infinity; // nothing to scale

    const modelOutput = read(golden, `${at}model_output`);
    const result = scheduler.step(modelOutput, timestep, sample, { generator, eta: trace.eta });
    compare(result.prevSample, `${at}prev_sample`);
    const originalName = `${at}pred_original_sample`;
    if (golden.has(originalName)) compare(result.predOriginalSample, originalName);
    sample = result.prevSample;
  });
  return { differences, generator };
}

function tooLarge(differences: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(differences).filter(([, difference]) => difference > tolerance));
}

function read(golden: GoldenTensors, name: string): Tensor {
  return tensor(golden.floats(name), golden.shape(name));
}

function camelCased(keys: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
