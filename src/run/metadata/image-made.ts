/**
 * @module run/metadata/image-made
 * What the texts of an image's file say of how it was made, whoever wrote them.
 */

import { InputImageError } from "../../errors.ts";
import { imageTexts } from "../../executor/image-texts.ts";
import { parseParameters } from "../../image/parameters.ts";
import { PARAMETERS, SETTINGS } from "../../image/text-keywords.ts";
import { promptOf } from "../../plan/prompts.ts";
import { describeComfyPrompt } from "./comfyui.ts";
import { describeInvokeMetadata } from "./invokeai.ts";
import { type ImageSettings, parseSettings } from "./settings-text.ts";

/** As far as it is said and understood. */
export interface ImageMade {
  readonly program: string;
  readonly version?: string;
  readonly prompt?: string;
  readonly negativePrompt?: string;
  /** As it is written where it has more digits than a number holds. */
  readonly seed?: number | string;
  readonly steps?: number;
  readonly width?: number;
  readonly height?: number;
  readonly sampler?: string;
  readonly guidanceScale?: number;
  readonly model?: string;
  /** What else is said, as it is written. */
  readonly more: Readonly<Record<string, string>>;
  /** Of our own images: what --from-image draws again. */
  readonly settings?: ImageSettings;
}

/** @throws {InputImageError} the file cannot be read, is no image, or carries nothing that is understood. */
export async function readImageMade(path: string): Promise<ImageMade> {
  const made = describeTexts(await imageTexts(path), path);
  if (made) return made;
  throw new InputImageError(
    `${path} does not say how it was made: neither if-gen, AUTOMATIC1111's web UI, ComfyUI nor InvokeAI has left its settings there, or another program has taken them out.`,
  );
}

/**
 * @param texts by the keywords of a PNG.
 * @returns undefined: they say nothing that is understood.
 */
export function describeTexts(texts: ReadonlyMap<string, string>, path: string): ImageMade | undefined {
  const [parameters, settings] = [texts.get(PARAMETERS), texts.get(SETTINGS)];
  const described = parameters === undefined ? undefined : describeParameters(parameters);
  if (settings !== undefined) {
    const parsed = parseSettings(settings, path);
    const { seed, model, morePrompts } = parsed.request;
    const { version } = parsed;
    const texts = { prompt: promptOf(parsed.request), negativePrompt: parsed.request.negativePrompt };
    return {
      more: {},
      ...described,
      program: "if-gen",
      version,
      ...(morePrompts && described ? {} : texts), // which of them it is, its parameters say
      seed,
      model,
      settings: parsed,
    };
  }
  return described ?? describeInvokeMetadata(texts) ?? describeComfyPrompt(texts);
}

/** AUTOMATIC1111's form; who wrote it stands under "Version". @returns undefined: it holds no settings. */
function describeParameters(text: string): ImageMade | undefined {
  const { prompt, negativePrompt, settings } = parseParameters(text);
  if (settings.size === 0) return undefined;
  const rest = new Map(settings);
  const take = (key: string): string | undefined => {
    const value = rest.get(key);
    rest.delete(key);
    return value;
  };
  const size = /^(\d{1,6})x(\d{1,6})$/.exec(take("Size") ?? "");
  const sampler = take("Sampler");
  const model = take("Model");
  return {
    ...programOf(take("Version")),
    prompt,
    negativePrompt,
    ...present("seed", integerOf(take("Seed"))),
    ...present("steps", numberOf(take("Steps"))),
    ...present("guidanceScale", numberOf(take("CFG scale"))),
    ...(size ? { width: Number(size[1]), height: Number(size[2]) } : {}),
    ...present("sampler", sampler),
    ...present("model", model),
    more: Object.fromEntries(rest),
  };
}

function programOf(version: string | undefined): Pick<ImageMade, "program" | "version"> {
  const [, name, number] = /^(if-gen|stable-diffusion\.cpp|ComfyUI)\s*(.*)$/.exec(version ?? "") ?? [];
  if (name !== undefined) return { program: name, ...(number ? { version: number } : {}) };
  return { program: "AUTOMATIC1111's web UI", ...(version === undefined ? {} : { version }) };
}

const present = <Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;

/** Seeds have up to 64 bits. */
function integerOf(text: string | undefined): number | string | undefined {
  if (text === undefined || !/^-?\d{1,20}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : text;
}
