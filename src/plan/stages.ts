/**
 * @module plan/stages
 * The stages of the cascade, in the order in which a run takes them. This table is the one place that names them: all
 * other code looks a property up, so that a further stage is a row here, a pipeline and a description of its networks.
 */

import type { Variant } from "../weights/variants.ts";

/** The Hub repositories that a cascade consists of, as models.json calls them. */
export const repositoryKeys = ["stage1", "stage2", "stage3"] as const;
export type RepositoryKey = (typeof repositoryKeys)[number];

/** Their folders where a cascade lies in one directory. */
export const repositoryFolders: Readonly<Record<RepositoryKey, string>> = {
  stage1: "if-i",
  stage2: "if-ii",
  stage3: "x4-upscaler",
};

/** What computes a stage, in pipelines/ and networks/; named after diffusers' pipelines. */
export type PipelineName = "text-encoder" | "if" | "if-super-resolution" | "upscale" | "esrgan" | "safety-checker";

/** A folder of a checkpoint. */
export interface Component {
  /** The variants its network is published in. Empty: the folder holds no weights, and is taken whole. */
  readonly variants: readonly Variant[];
  /** Without it the stage cannot run. */
  readonly essential: boolean;
}

const files: Component = { variants: [], essential: true };
const network: Component = { variants: ["fp16", "fp32"], essential: true };
const optional = (component: Component): Component => ({ ...component, essential: false });

interface StageRow {
  readonly name: string;
  /** As people read it: in tables, on progress bars, in an image's metadata. */
  readonly label: string;
  readonly kind: "text" | "diffusion" | "single-pass" | "safety";
  readonly pipeline: PipelineName;
  /** Whose checkpoint it reads; absent: a file of the user's. */
  readonly repository?: RepositoryKey;
  /** Folders of that checkpoint which the stage reads. */
  readonly components: Readonly<Record<string, Component>>;
  /** The tensor files it leaves for later stages, without `.safetensors`; each holds one tensor of that name. */
  readonly files: readonly string[];
  /**
   * Does it go to the GPU that a run takes? T5 does not: its weights are the largest of all and are used once. Neither does
   * the safety checker: what it flags shall not depend on the GPU.
   */
  readonly onGpu: boolean;
}

/** The range of the tensors that a stage leaves: IF's about [-1, 1], upscalers' [0, 1]. */
type Range = "signed" | "unit";

/** One network that enlarges images, without scheduler, steps or guidance. */
interface SinglePassRow extends StageRow {
  readonly kind: "single-pass";
  readonly range: Range;
}

interface DiffusionRow extends StageRow {
  readonly kind: "diffusion";
  readonly repository: RepositoryKey;
  /** `--until` and the size of what it draws with the published checkpoints, in pixels. */
  readonly side: number;
  /** How a size follows: the UNet's own `sample_size`, or this many times the size of the stage before. */
  readonly scale: "sample-size" | number;
  /**
   * Of stages that img2img and inpaint start from the user's image: `strength` where neither the request nor the model
   * says one, as in IFImg2ImgPipeline, IFInpaintingPipeline and their super-resolution twins.
   */
  readonly startStrengths?: { readonly img2img: number; readonly inpaint: number; readonly style: number };
  /** The respacing of `style` where the request says no timesteps, as in the original repository; absent: the model's. */
  readonly styleRespacing?: string;
  /** The largest noise level on the image it enlarges; absent: it enlarges none. */
  readonly maxNoiseLevel?: number;
  /**
   * Of stages that draw pixels, with T5's embeddings: the positive prompt's share where the request says none, as in the
   * original repository. Their predicted images can be thresholded. Absent: the stage draws latents.
   */
  readonly pixels?: { readonly positiveMixer: number };
  readonly range: Range;
}

const table = [
  {
    name: "text-encoding",
    label: "text",
    kind: "text",
    pipeline: "text-encoder",
    repository: "stage1",
    components: { text_encoder: { variants: ["8bit", "fp16", "fp32"], essential: true }, tokenizer: files },
    files: ["prompt_embeds", "negative_prompt_embeds"],
    onGpu: false,
  },
  {
    name: "stage-1",
    label: "stage 1",
    kind: "diffusion",
    pipeline: "if",
    repository: "stage1",
    components: { unet: network, scheduler: files, watermarker: { variants: ["fp32"], essential: false } },
    files: ["stage-1"],
    onGpu: true,
    side: 64,
    scale: "sample-size",
    startStrengths: { img2img: 0.7, inpaint: 1, style: 1 },
    styleRespacing: "20,20,20,20,10,0,0,0,0,0", // the noisier half is left out
    pixels: { positiveMixer: 0.25 },
    range: "signed",
  },
  {
    name: "stage-2",
    label: "stage 2",
    kind: "diffusion",
    pipeline: "if-super-resolution",
    repository: "stage2",
    components: { unet: network, scheduler: files, image_noising_scheduler: files },
    files: ["stage-2"],
    onGpu: true,
    side: 256,
    scale: "sample-size",
    startStrengths: { img2img: 0.8, inpaint: 0.8, style: 1 },
    pixels: { positiveMixer: 0.5 },
    maxNoiseLevel: 999, // the image_noising_scheduler has 1000 timesteps
    range: "signed",
  },
  {
    name: "stage-3",
    label: "stage 3",
    kind: "diffusion",
    pipeline: "upscale",
    repository: "stage3",
    components: {
      text_encoder: network,
      tokenizer: files,
      unet: network,
      vae: network,
      scheduler: files,
      low_res_scheduler: files,
    },
    files: ["stage-3"],
    onGpu: true,
    side: 1024,
    scale: 4,
    maxNoiseLevel: 350, // StableDiffusionUpscalePipeline's max_noise_level
    range: "unit",
  },
  {
    name: "esrgan",
    label: "ESRGAN",
    kind: "single-pass",
    pipeline: "esrgan",
    components: {},
    files: ["esrgan"],
    onGpu: true,
    range: "unit",
  },
  {
    name: "safety",
    label: "safety",
    kind: "safety",
    pipeline: "safety-checker",
    repository: "stage1",
    components: { safety_checker: optional(network), feature_extractor: optional(files) },
    files: [],
    onGpu: false,
  },
] as const satisfies readonly (StageRow | DiffusionRow | SinglePassRow)[];

type Row = (typeof table)[number];
export type StageName = Row["name"];
export type DiffusionName = Extract<Row, { kind: "diffusion" }>["name"];
export type SinglePassName = Extract<Row, { kind: "single-pass" }>["name"];
/** Stages that draw images. */
export type ImageName = DiffusionName | SinglePassName;
/** Stages that enlarge an image. */
export type EnlargingName = Extract<Row, { maxNoiseLevel: number }>["name"];
/** `--until`: the side, in pixels, of the last stage that is run. */
export type Side = Extract<Row, { kind: "diffusion" }>["side"];
/** The tensor files that pass between the stages. */
export type StageFile = Row["files"][number];

export type StageDescription = Omit<StageRow, "name" | "files"> & {
  readonly name: StageName;
  readonly files: readonly StageFile[];
};
export type DiffusionDescription = Omit<DiffusionRow, "name" | "files" | "side"> & {
  readonly name: DiffusionName;
  readonly files: readonly StageFile[];
  readonly side: Side;
};

export const stageTable: readonly StageDescription[] = table;

/** The stages that draw, from the smallest image to the largest. */
export const diffusionTable: readonly DiffusionDescription[] = table.filter((row) => row.kind === "diffusion");

/** The stages that enlarge in one pass; a run has one of them at most, after all that it draws. */
const singlePassTable = table.filter((row) => row.kind === "single-pass");

/** The names as zod wants them. */
export const imageNames = [...diffusionTable, ...singlePassTable].map(({ name }) => name) as [
  ImageName,
  ...ImageName[],
];
export const stageNames = table.map(({ name }) => name) as [StageName, ...StageName[]];
export const diffusionNames = diffusionTable.map(({ name }) => name) as [DiffusionName, ...DiffusionName[]];
export const singlePassNames = singlePassTable.map(({ name }) => name) as [SinglePassName, ...SinglePassName[]];
export const sides: readonly Side[] = diffusionTable.map(({ side }) => side);

export function describeStage(name: StageName): StageDescription {
  return find(stageTable, name);
}

export function describeDiffusion(name: DiffusionName): DiffusionDescription {
  return find(diffusionTable, name);
}

/** @returns the range of the images that a stage leaves. */
export const rangeOf = (name: ImageName): Range => find([...diffusionTable, ...singlePassTable], name).range;

/** @returns the stages that draw, up to the one of that side. */
export function diffusionUntil(until: Side): readonly DiffusionDescription[] {
  return diffusionTable.filter(({ side }) => side <= until);
}

/** The stages that enlarge an image: `upscale` runs one or some of them. */
export const enlargingTable: readonly DiffusionDescription[] = diffusionTable.filter(
  ({ maxNoiseLevel }) => maxNoiseLevel !== undefined,
);

/** @returns how many times as large as what it is given a stage of the published checkpoints draws. */
export function enlargementOf({ name, side }: DiffusionDescription): number {
  const before = diffusionTable[diffusionTable.findIndex((row) => row.name === name) - 1];
  if (!before) throw new Error(`${name} enlarges nothing`);
  return side / before.side;
}

/** @returns the row of the one stage of its kind that draws nothing. */
export function stageOfKind(kind: "text" | "safety"): StageDescription & { readonly repository: RepositoryKey } {
  const row = stageTable.find((one) => one.kind === kind);
  if (!row?.repository) throw new Error(`no stage is ${kind}`);
  return { ...row, repository: row.repository };
}

/** The folders of a repository that its stages read. */
export type RepositoryLayout = Readonly<Record<string, Component>>;

export const repositoryLayouts = Object.fromEntries(
  repositoryKeys.map((key) => [
    key,
    Object.assign(
      {},
      ...stageTable.filter(({ repository }) => repository === key).map(({ components }) => components),
    ) as RepositoryLayout,
  ]),
) as Readonly<Record<RepositoryKey, RepositoryLayout>>;

function find<T extends { readonly name: string }>(rows: readonly T[], name: string): T {
  const row = rows.find((one) => one.name === name);
  if (!row) throw new Error(`${name} is no stage`);
  return row;
}
