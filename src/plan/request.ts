/**
 * @module plan/request
 * What a user asked for, checked, in the field's words; what the command line says nothing about is absent.
 */

import type { ExecutionProvider } from "../onnx/lower/providers.ts";

export type Side = 64 | 256 | 1024;

export type CommandName = "txt2img" | "img2img" | "inpaint";

/** What a flagged picture becomes; "off": pictures are not looked at. */
export type SafetyAction = "black" | "blur" | "off";

export type AskedProvider = "auto" | ExecutionProvider;

export interface StageRequest {
  readonly steps?: number;
  /** A preset's name (`smart100`) or timesteps, descending. */
  readonly timesteps?: string | readonly number[];
  readonly guidance?: number;
  /** Stage 2 and 3 only. */
  readonly noiseLevel?: number;
  /** Stage 1 and 2 of img2img and inpaint: how much of the way from noise is run, above 0 to 1. */
  readonly strength?: number;
}

/** A part of the picture, in its pixels; it may reach over the edge. */
export interface MaskShape {
  readonly kind: "rectangle" | "ellipse";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is repainted: the file's white and the shapes together, or, inverted, all the rest. */
export interface MaskRequest {
  /** Path of a picture: white is repainted. */
  readonly file?: string;
  readonly shapes: readonly MaskShape[];
  readonly invert: boolean;
}

/** The picture that img2img and inpaint start from. */
export interface PictureRequest {
  /** Its path. */
  readonly image: string;
  readonly mask?: MaskRequest;
  /** Put the untouched pixels of the picture back over the result. */
  readonly pasteBack: boolean;
}

export interface Request {
  readonly command: CommandName;
  readonly prompt: string;
  readonly negativePrompt: string;
  /** 0 to 2^32 - 1. */
  readonly seed: number;
  readonly numImages: number;
  /** A name of models.json, or a directory with if-i, if-ii and x4-upscaler. */
  readonly model: string;
  readonly variant?: "fp32" | "fp16" | "8bit";
  readonly until: Side;
  readonly picture?: PictureRequest;
  readonly stage1: StageRequest;
  readonly stage2: StageRequest;
  readonly stage3: StageRequest;
  readonly cleanCaption: boolean;
  readonly watermark: boolean;
  /** Absent: "black" if the checkpoint has a checker. */
  readonly safety?: SafetyAction;
  readonly eta: number;
  readonly threads?: number;
  readonly executionProvider: AskedProvider;
  /** Which NVIDIA GPU, as CUDA counts them; absent: the first. */
  readonly deviceId?: number;
}
