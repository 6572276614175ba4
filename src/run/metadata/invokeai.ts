/**
 * @module run/metadata/invokeai
 * InvokeAI's `invokeai_metadata` (since 3.0) and `sd-metadata` (2.x).
 *
 * Source: InvokeAI's docs, "Image metadata"; invokeai/app/invocations/metadata.py (CoreMetadataInvocation).
 */

import { z } from "zod";
import { parseForeign } from "./foreign-json.ts";
import type { ImageMade } from "./image-made.ts";

const words = z.string().optional().catch(undefined);
const figure = z.number().optional().catch(undefined);
const seed = z.union([z.number(), z.string()]).optional().catch(undefined);

const current = z.looseObject({
  app_version: words,
  generation_mode: words,
  positive_prompt: words,
  negative_prompt: words,
  seed,
  steps: figure,
  cfg_scale: figure,
  scheduler: words,
  width: figure,
  height: figure,
  model: z.looseObject({ name: words, model_name: words }).optional().catch(undefined),
});

const older = z.looseObject({
  app_version: words,
  model_weights: words,
  image: z.looseObject({
    prompt: z.union([z.string(), z.array(z.looseObject({ prompt: z.string() })).min(1)]),
    seed,
    steps: figure,
    cfg_scale: figure,
    sampler: words,
    width: figure,
    height: figure,
  }),
});

/** @returns undefined: InvokeAI has left nothing that is understood. */
export function describeInvokeMetadata(texts: ReadonlyMap<string, string>): ImageMade | undefined {
  const [now, before] = [texts.get("invokeai_metadata"), texts.get("sd-metadata")];
  if (now !== undefined) {
    const parsed = current.safeParse(parseForeign(now));
    if (parsed.success) return describeCurrent(parsed.data);
  }
  const parsed = before === undefined ? undefined : older.safeParse(parseForeign(before));
  return parsed?.success ? describeOlder(parsed.data) : undefined;
}

function describeCurrent(data: z.infer<typeof current>): ImageMade {
  return present({
    program: "InvokeAI",
    version: data.app_version,
    prompt: data.positive_prompt,
    negativePrompt: data.negative_prompt,
    seed: data.seed,
    steps: data.steps,
    width: data.width,
    height: data.height,
    sampler: data.scheduler,
    guidanceScale: data.cfg_scale,
    model: data.model?.name ?? data.model?.model_name,
    more: data.generation_mode === undefined ? {} : { mode: data.generation_mode },
  });
}

function describeOlder({ image, ...data }: z.infer<typeof older>): ImageMade {
  const { prompt } = image;
  return present({
    program: "InvokeAI",
    version: data.app_version,
    prompt: typeof prompt === "string" ? prompt : prompt.map((part) => part.prompt).join(" "),
    seed: image.seed,
    steps: image.steps,
    width: image.width,
    height: image.height,
    sampler: image.sampler,
    guidanceScale: image.cfg_scale,
    model: data.model_weights,
    more: {},
  });
}

type Loose<T> = { readonly [Key in keyof T]: T[Key] | undefined };

const present = (made: Loose<ImageMade>): ImageMade =>
  Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as unknown as ImageMade;
