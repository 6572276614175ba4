/** A stored run of the reference as the command line that asks for the same. */

import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { encodePng } from "../../src/image/write-png.ts";
import { readMask } from "../../src/image/read-image.ts";
import { type RgbImage } from "../../src/image/pixels.ts";
import { resizePil } from "../../src/image/resize-pil.ts";
import { goldenPath, storedVariant } from "../golden.ts";
import {
  type CallArguments,
  type ImageSource,
  type ReferenceCase,
  resizedAsStored,
} from "../pipelines/reference-case.ts";

const commands: Readonly<Record<string, string>> = {
  IFPipeline: "txt2img",
  IFImg2ImgPipeline: "img2img",
  IFInpaintingPipeline: "inpaint",
};

/** The schedulers that a name asks for as the reference has them. */
const schedulerWords: Readonly<Record<string, string>> = { DPMSolverMultistepScheduler: "dpm++2m" };

/** Can the command line ask for it? A single prompt, one seed, a scheduler that has a name. */
export function isSayable({ error, case: { pipe, args, seeds, scheduler, stages, safety } }: ReferenceCase): boolean {
  if (scheduler && schedulerWords[scheduler.class] === undefined) return false;
  if (error || stages || seeds || safety || Array.isArray(args.prompt)) return false;
  return commands[pipe] !== undefined;
}

/**
 * @param folder where the images go that the reference resizes before it hands them on.
 * @returns the arguments after `if-gen`, without an output.
 */
export async function commandLineOf({ case: stored }: ReferenceCase, folder: string): Promise<string[]> {
  const calls = stored.stages ?? [stored];
  const [first] = calls;
  const { args } = first ?? stored;
  const prompt = stored.encode?.prompt ?? args.prompt;
  const negative = stored.encode?.negative_prompt ?? args.negative_prompt;
  const isUncleaned = stored.encode !== undefined || args.clean_caption === false; // encode_prompt cleans only if told to
  return [
    commands[first?.pipe ?? ""] ?? "",
    String(prompt),
    ...(negative === undefined ? [] : ["--negative-prompt", String(negative)]),
    ...(isUncleaned ? ["--no-clean-caption"] : []),
    ...(first?.pipe === "IFInpaintingPipeline" ? ["--no-paste-back"] : []),
    "--model",
    goldenPath("checkpoints"),
    "--variant",
    storedVariant,
    "--execution-provider",
    "cpu", // the reference's own
    "--safety",
    "off",
    "--seed",
    String(stored.seed),
    "--until",
    String([64, 256, 1024][calls.length - 1]),
    "--num-images",
    String(args.num_images_per_prompt ?? 1),
    ...(stored.scheduler ? ["--scheduler", schedulerWords[stored.scheduler.class] ?? ""] : []),
    ...(args.height ? ["--size", `${args.width}x${args.height}`] : []),
    ...(await imageWords(args, folder)),
    ...calls.flatMap((call, index) => stageWords(index + 1, call.args)),
  ];
}

function stageWords(stage: number, args: CallArguments): string[] {
  const words = {
    steps: args.num_inference_steps,
    timesteps: args.timesteps?.join(","),
    guidance: args.guidance_scale,
    strength: args.strength,
    "noise-level": args.noise_level,
  };
  return Object.entries(words).flatMap(([word, value]) =>
    value === undefined ? [] : [`--stage-${stage}-${word}`, String(value)],
  );
}

async function imageWords({ image, mask_image: mask }: CallArguments, folder: string): Promise<string[]> {
  const words = image ? ["--image", await imageFile(image as ImageSource, "image", folder)] : [];
  return mask ? [...words, "--mask", await imageFile(mask, "mask", folder)] : words;
}

/** The stored file itself or, where the reference resizes it first, what it then has. */
export async function imageFile(
  source: ImageSource,
  use: "image" | "original" | "mask",
  folder: string,
): Promise<string> {
  if (!("$picture" in source)) throw new Error("only files can be named");
  const path = goldenPath("image", "inputs", source.$picture);
  if (!source.resize) return path;
  const resized =
    use === "mask" ? grayAsRgb(resizePil(await readMask(path), ...source.resize)) : await resizedAsStored(path, source);
  const file = join(folder, `${use}.png`);
  await writeFile(file, await encodePng(resized));
  return file;
}

function grayAsRgb({ data, width, height }: { data: Uint8Array; width: number; height: number }): RgbImage {
  const rgb = Uint8Array.from({ length: 3 * data.length }, (_, at) => data[Math.floor(at / 3)] ?? 0);
  return { data: rgb, width, height, channels: 3 };
}
