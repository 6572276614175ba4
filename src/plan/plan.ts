/**
 * @module plan/plan
 * Every decision of a run, made before a byte of a network is loaded. Plain JSON: `--dry-run` prints it, each stage's
 * process is sent its part, a bug report can carry it.
 */

import type { ExecutionProvider } from "../onnx/lower/providers.ts";
import type { AskedProvider, CommandName, MaskRequest, SafetyAction } from "./request.ts";

export type StageName = "text-encoding" | "stage-1" | "stage-2" | "stage-3" | "safety";

/** Which timesteps: a number of them, evenly spaced, or a list. */
export type Selection = { readonly numInferenceSteps: number } | { readonly timesteps: readonly number[] };

/** Where stage 1 and 2 of img2img and inpaint start. */
export interface StartPicture {
  /** Absolute path. */
  readonly image: string;
  /** The last share of the timesteps is run, above 0 to 1. */
  readonly strength: number;
  readonly mask?: MaskRequest;
}

export interface DiffusionStage {
  readonly name: "stage-1" | "stage-2" | "stage-3";
  /** One of the three checkpoints: a folder laid out as its Hub repository. */
  readonly checkpoint: string;
  readonly selection: Selection;
  /** The preset the selection came from. */
  readonly preset?: string;
  readonly guidanceScale: number;
  /** Absent in stage 1. */
  readonly noiseLevel?: number;
  /** Of the pictures it makes, in pixels: 64, 256, 1024 with the published checkpoints, the long side more. */
  readonly width: number;
  readonly height: number;
  readonly start?: StartPicture;
}

export interface TextStage {
  readonly name: "text-encoding";
  readonly checkpoint: string;
  readonly cleanCaption: boolean;
}

/** Looks at the finished pictures and draws them. */
export interface SafetyStage {
  readonly name: "safety";
  /** The one that holds `safety_checker/` and `feature_extractor/`. */
  readonly checkpoint: string;
  readonly action: Exclude<SafetyAction, "off">;
  /** Whose pictures. */
  readonly of: Pick<DiffusionStage, "name" | "checkpoint">;
}

export type Stage = TextStage | DiffusionStage | SafetyStage;

/** Ways of doing with less memory, at the cost of time. */
export interface Thrift {
  /** Samples (pictures, guidance halves) that a network takes at once; the rest wait their turn. */
  readonly maxBatch?: number;
  /** The picture decoder's maps are computed in strips of about so many bytes. */
  readonly stripBytes?: number;
}

/** The execution provider of a run, and why it. */
export interface ProviderChoice {
  readonly asked: AskedProvider;
  readonly name: ExecutionProvider;
  /** Those that would have come first, in their order, and what keeps each from working here. */
  readonly passedOver: readonly { readonly name: ExecutionProvider; readonly problem: string }[];
  /** Which NVIDIA GPU, as CUDA counts them; absent: the first. */
  readonly deviceId?: number;
}

/** How T5 is made smaller or faster, where that is asked for. */
export interface TextEncoderChoice {
  /** Of each weight. */
  readonly bits: 8 | 4;
  /** Where weights of so many bits are kept, when they have to be made. */
  readonly cache: string;
  /** int8: faster, at a loss; with 8 bits only. */
  readonly activations: "float32" | "int8";
}

/** UNets in fewer bits than their checkpoints have. */
export interface UnetChoice {
  readonly bits: 8;
  /** Where weights of so many bits are kept, once they are made. */
  readonly cache: string;
}

export interface Plan {
  readonly version: string;
  readonly command: CommandName;
  /** As it was asked for. */
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly seed: number;
  readonly numImages: number;
  readonly variant?: "fp32" | "fp16" | "8bit";
  readonly eta: number;
  readonly threads?: number;
  readonly watermark: boolean;
  /** The picture whose untouched pixels go over the result. */
  readonly pasteBack?: { readonly image: string; readonly mask: MaskRequest };
  readonly stages: readonly Stage[];
  /** Absent: T5's weights are used as the checkpoint has them. */
  readonly textEncoder?: TextEncoderChoice;
  /** Absent: the UNets' weights are used as the checkpoints have them. */
  readonly unet?: UnetChoice;
  /** Absent: the processor, and nobody asked. */
  readonly provider?: ProviderChoice;
  /** Stages that do not run on the processor. */
  readonly gpuStages?: Readonly<Partial<Record<StageName, Exclude<ExecutionProvider, "cpu">>>>;
  /** What stages do to need less memory, where they have to. */
  readonly thrift?: Readonly<Partial<Record<StageName, Thrift>>>;
  /** Sentences for the user about what was decided. */
  readonly notes: readonly string[];
}

/** @returns how many timesteps are chosen, before a strength leaves some of them out. */
export function selectionLength(selection: Selection): number {
  return "timesteps" in selection ? selection.timesteps.length : selection.numInferenceSteps;
}

/** @returns how many times the stage's network runs. */
export function stepCount({ selection, start }: DiffusionStage): number {
  return Math.trunc(selectionLength(selection) * (start?.strength ?? 1));
}

/** @returns the stages that draw, in the order of the run. */
export function diffusionStages({ stages }: Plan): DiffusionStage[] {
  return stages.filter((stage) => stage.name !== "text-encoding" && stage.name !== "safety");
}
