/**
 * @module plan/stage-layout
 * Which folders of a repository a stage reads, and in which variants their networks are published.
 */

import type { Variant } from "../weights/variants.ts";
import type { StageKey } from "../catalog/manifest.ts";

export interface Component {
  /** Empty: the folder holds no weights, and is taken whole. */
  readonly variants: readonly Variant[];
  /** Without it the stage cannot run. */
  readonly essential: boolean;
}

/** By the folder's name, as in the repository. */
export type StageLayout = Readonly<Record<string, Component>>;

const files = { variants: [], essential: true } as const;
const network = { variants: ["fp16", "fp32"], essential: true } as const;

/** Prompts are encoded, and pictures checked and signed, with what stage 1's repository holds. */
export const stageLayouts: Readonly<Record<StageKey, StageLayout>> = {
  stage1: {
    text_encoder: { variants: ["8bit", "fp16", "fp32"], essential: true },
    tokenizer: files,
    unet: network,
    scheduler: files,
    watermarker: { variants: ["fp32"], essential: false },
    safety_checker: { variants: ["fp16", "fp32"], essential: false },
    feature_extractor: { variants: [], essential: false },
  },
  stage2: { unet: network, scheduler: files, image_noising_scheduler: files },
  stage3: {
    text_encoder: network,
    tokenizer: files,
    unet: network,
    vae: network,
    scheduler: files,
    low_res_scheduler: files,
  },
};
