/**
 * @module schedulers/config
 * scheduler_config.json → typed. Any scheduler's file may drive any other scheduler, so the keys of all of them are
 * known here; each class ignores those that are not its own. Names are the file's, camelCased.
 */

import { z } from "zod";
import { CheckpointError } from "../errors.ts";

export const schedulerClassNames = [
  "DDPMScheduler",
  "DDIMScheduler",
  "DPMSolverMultistepScheduler",
  "EulerDiscreteScheduler",
  "EulerAncestralDiscreteScheduler",
  "HeunDiscreteScheduler",
  "UniPCMultistepScheduler",
] as const;

export type SchedulerClassName = (typeof schedulerClassNames)[number];

/** What a file may say. Literals are the only value supported of a key that has others elsewhere. */
const fileKeys = z.strictObject({
  num_train_timesteps: z.int().positive().max(1_000_000),
  beta_start: z.number().positive(),
  beta_end: z.number().positive(),
  beta_schedule: z.enum(["linear", "scaled_linear", "squaredcos_cap_v2"]),
  trained_betas: z.array(z.number()).nullable(),
  prediction_type: z.enum(["epsilon", "sample", "v_prediction"]),
  timestep_spacing: z.enum(["leading", "linspace", "trailing"]),
  steps_offset: z.int().nonnegative(),
  clip_sample: z.boolean(),
  clip_sample_range: z.number().positive(),
  thresholding: z.boolean(),
  dynamic_thresholding_ratio: z.number().min(0).max(1),
  sample_max_value: z.number().min(1),
  variance_type: z
    .enum(["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"])
    .nullable(),
  set_alpha_to_one: z.boolean(),
  lambda_min_clipped: z.number().nullable(),
  final_sigmas_type: z.enum(["zero", "sigma_min"]),
  solver_order: z.union([z.literal(1), z.literal(2)]),
  lower_order_final: z.boolean(),
  euler_at_final: z.boolean(),
  solver_type: z.enum(["midpoint", "bh1", "bh2"]),
  algorithm_type: z.enum(["dpmsolver++", "sde-dpmsolver++"]),
  disable_corrector: z.array(z.int().nonnegative()),
  predict_x0: z.literal(true),
  solver_p: z.null(),
  shift_terminal: z.null(),
  interpolation_type: z.literal("linear"),
  timestep_type: z.literal("discrete"),
  rescale_betas_zero_snr: z.literal(false),
  use_karras_sigmas: z.literal(false).nullable(),
  use_exponential_sigmas: z.literal(false).nullable(),
  use_beta_sigmas: z.literal(false).nullable(),
  use_lu_lambdas: z.literal(false).nullable(),
  use_flow_sigmas: z.literal(false).nullable(),
  use_dynamic_shifting: z.literal(false),
  // Only read together with options refused above, or by schedulers that are not here.
  sigma_min: z.number().nullable(),
  sigma_max: z.number().nullable(),
  flow_shift: z.number(),
  time_shift_type: z.string(),
  skip_prk_steps: z.boolean(),
});

type CamelCase<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;
type FileKeys = z.infer<typeof fileKeys>;
type AllKeys = { readonly [Key in keyof FileKeys as CamelCase<Key>]: FileKeys[Key] };

/** The keys that some scheduler here reads, each with a value. */
export type SchedulerConfig = Pick<
  AllKeys,
  | "numTrainTimesteps"
  | "betaStart"
  | "betaEnd"
  | "betaSchedule"
  | "trainedBetas"
  | "predictionType"
  | "timestepSpacing"
  | "stepsOffset"
  | "clipSample"
  | "clipSampleRange"
  | "thresholding"
  | "dynamicThresholdingRatio"
  | "sampleMaxValue"
  | "varianceType"
  | "setAlphaToOne"
  | "lambdaMinClipped"
  | "finalSigmasType"
  | "solverOrder"
  | "lowerOrderFinal"
  | "eulerAtFinal"
  | "solverType"
  | "algorithmType"
  | "disableCorrector"
> & {
  /**
   * After x_0 was clipped or thresholded, follow the noise that leads to it, as the original repository's DDIM does. No key
   * of a file: diffusers has it as `use_clipped_model_output` of DDIM's step alone, and its Euler and Heun never threshold.
   */
  readonly useClippedModelOutput: boolean;
};

/** A file as read: only the keys it has, so that another class can fill the gaps with its own defaults. */
export interface SchedulerFile {
  readonly className: SchedulerClassName;
  readonly keys: Partial<AllKeys>;
}

const commonDefaults: SchedulerConfig = {
  numTrainTimesteps: 1000,
  betaStart: 0.0001,
  betaEnd: 0.02,
  betaSchedule: "linear",
  trainedBetas: null,
  predictionType: "epsilon",
  timestepSpacing: "linspace",
  stepsOffset: 0,
  clipSample: true,
  clipSampleRange: 1,
  thresholding: false,
  dynamicThresholdingRatio: 0.995,
  sampleMaxValue: 1,
  varianceType: null,
  setAlphaToOne: true,
  lambdaMinClipped: null, // no limit
  finalSigmasType: "zero",
  solverOrder: 2,
  lowerOrderFinal: true,
  eulerAtFinal: false,
  solverType: "midpoint",
  algorithmType: "dpmsolver++",
  disableCorrector: [],
  useClippedModelOutput: false,
};

/** Where a class departs from the common defaults. Source: the constructors of diffusers 0.40 (58eb52c). */
const classDefaults: Readonly<Record<SchedulerClassName, Partial<SchedulerConfig>>> = {
  DDPMScheduler: { timestepSpacing: "leading", varianceType: "fixed_small" },
  DDIMScheduler: { timestepSpacing: "leading" },
  DPMSolverMultistepScheduler: {},
  EulerDiscreteScheduler: {},
  EulerAncestralDiscreteScheduler: {},
  HeunDiscreteScheduler: { betaStart: 0.00085, betaEnd: 0.012, clipSample: false },
  UniPCMultistepScheduler: { solverType: "bh2" },
};

/**
 * @param json the parsed text of a scheduler_config.json.
 * @param file its name, for messages.
 * @throws {CheckpointError} an unknown scheduler or key, or a value that is not supported; names key and file.
 */
export function parseSchedulerConfig(json: unknown, file: string): SchedulerFile {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new CheckpointError(`${file} is no JSON object: download the checkpoint again.`);
  }
  const entries = Object.entries(json);
  const className = entries.find(([key]) => key === "_class_name")?.[1];
  const supported = schedulerClassNames.find((name) => name === className);
  if (supported === undefined) {
    throw new CheckpointError(
      `${file}: the scheduler ${JSON.stringify(className)} is not supported; supported are ${schedulerClassNames.join(", ")}.`,
    );
  }
  const parsed = fileKeys.partial().safeParse(Object.fromEntries(entries.filter(([key]) => !key.startsWith("_"))));
  if (!parsed.success) throw new CheckpointError(`${file}: ${describe(parsed.error)}.`);
  const { trained_betas: betas, num_train_timesteps: count = commonDefaults.numTrainTimesteps } = parsed.data;
  if (betas && betas.length !== count) {
    throw new CheckpointError(`${file}: "trained_betas" has ${betas.length} numbers for ${count} timesteps.`);
  }
  return { className: supported, keys: camelCased(parsed.data) };
}

/** @returns the file's keys, then `overrides`, over the defaults of `className`. */
export function resolveConfig(
  file: SchedulerFile,
  className: SchedulerClassName,
  overrides: Partial<SchedulerConfig>,
): SchedulerConfig {
  const all = { ...commonDefaults, ...classDefaults[className], ...file.keys, ...overrides };
  all.solverType = solverTypeFor(className, all.solverType);
  const keys = Object.keys(commonDefaults) as (keyof SchedulerConfig)[];
  return Object.fromEntries(keys.map((key) => [key, all[key]])) as unknown as SchedulerConfig;
}

/** The two multistep solvers know each other's types by this one of their own. */
function solverTypeFor(
  className: SchedulerClassName,
  solverType: SchedulerConfig["solverType"],
): SchedulerConfig["solverType"] {
  if (className !== "UniPCMultistepScheduler") return "midpoint";
  return solverType === "midpoint" ? "bh2" : solverType;
}

function describe(error: z.ZodError): string {
  return error.issues
    .map((issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`
        : `"${issue.path.join(".")}" has a value that is not supported (${issue.message})`,
    )
    .join("; ");
}

function camelCased(keys: object): Partial<AllKeys> {
  const camelCase = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [camelCase(key), value]));
}
