/**
 * @module run/metadata/comfyui
 * ComfyUI's `prompt`: the graph of nodes that was run. The sampler's inputs say what people ask for, or lead to the nodes
 * that do.
 *
 * Source: ComfyUI's nodes.py, KSampler, KSamplerAdvanced, CLIPTextEncode, EmptyLatentImage, CheckpointLoaderSimple.
 */

import { z } from "zod";
import { parseForeign } from "./foreign-json.ts";
import type { ImageMade } from "./image-made.ts";

const node = z.looseObject({ class_type: z.string(), inputs: z.record(z.string(), z.unknown()) });
type Node = z.infer<typeof node>;
type Graph = ReadonlyMap<string, Node>;

/** From a sampler to what its input comes from, over nodes that only hand it on. */
const MAX_NODES_ON_THE_WAY = 64;

/** @returns undefined: there is no graph of ComfyUI. */
export function describeComfyPrompt(texts: ReadonlyMap<string, string>): ImageMade | undefined {
  const [prompt, workflow] = [texts.get("prompt"), texts.get("workflow")];
  const graph = graphOf(prompt);
  if (!graph && (workflow === undefined || parseForeign(workflow) === undefined)) return undefined;
  const sampler = [...(graph?.values() ?? [])].find(({ inputs }) => "steps" in inputs && "positive" in inputs);
  if (!graph || !sampler) {
    return { program: "ComfyUI", more: { note: "its workflow has no sampler of a kind that is understood here" } };
  }
  const { inputs } = sampler;
  const size = findInput(graph, inputs["latent_image"], ({ inputs: { width, height } }) =>
    typeof width === "number" && typeof height === "number" ? { width, height } : undefined,
  );
  return {
    program: "ComfyUI",
    ...text("prompt", findText(graph, inputs["positive"])),
    ...text("negativePrompt", findText(graph, inputs["negative"])),
    ...scalar("seed", follow(graph, inputs["seed"] ?? inputs["noise_seed"])),
    ...number("steps", follow(graph, inputs["steps"])),
    ...number("guidanceScale", follow(graph, inputs["cfg"])),
    ...size,
    ...text("sampler", inputs["sampler_name"]),
    ...text(
      "model",
      findInput(graph, inputs["model"], ({ inputs: loader }) => loader["ckpt_name"] ?? loader["unet_name"]),
    ),
    more: {
      ...text("scheduler", inputs["scheduler"]),
      ...(typeof inputs["denoise"] === "number" ? { denoise: String(inputs["denoise"]) } : {}),
    },
  };
}

function graphOf(prompt: string | undefined): Graph | undefined {
  const parsed = z.record(z.string(), z.unknown()).safeParse(prompt === undefined ? undefined : parseForeign(prompt));
  const nodes = Object.entries(parsed.data ?? {}).flatMap(([id, value]) => {
    const one = node.safeParse(value);
    return one.success ? [[id, one.data] as const] : [];
  });
  return nodes.length === 0 ? undefined : new Map(nodes);
}

/** An input is a value, or names the node and the output that it comes from. */
const linkedNode = (graph: Graph, value: unknown): Node | undefined =>
  Array.isArray(value) && typeof value[0] === "string" ? graph.get(value[0]) : undefined;

/** @returns the first that `look` finds from a link on, nearest nodes first; loops and long ways end it. */
function findInput<T>(graph: Graph, link: unknown, look: (found: Node) => T | undefined): T | undefined {
  const seen = new Set<Node>();
  const waiting = [linkedNode(graph, link)];
  while (waiting.length > 0 && seen.size < MAX_NODES_ON_THE_WAY) {
    const next = waiting.shift();
    if (!next || seen.has(next)) continue;
    seen.add(next);
    const found = look(next);
    if (found !== undefined) return found;
    waiting.push(...Object.values(next.inputs).map((value) => linkedNode(graph, value)));
  }
  return undefined;
}

const findText = (graph: Graph, link: unknown): unknown =>
  findInput(graph, link, ({ inputs }) =>
    [inputs["text"], inputs["text_g"]].map((value) => follow(graph, value)).find((value) => typeof value === "string"),
  );

/** A value, or the value of the node that it is taken from. */
function follow(graph: Graph, value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return findInput(graph, value, ({ inputs }) =>
    ["value", "seed", "noise_seed", "int", "float", "text", "string"].map((key) => inputs[key]).find(isScalar),
  );
}

const isScalar = (value: unknown): boolean => typeof value === "string" || typeof value === "number";

const text = <Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: string } =>
  (typeof value === "string" ? { [key]: value } : {}) as { readonly [K in Key]?: string };

const number = <Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: number } =>
  (typeof value === "number" ? { [key]: value } : {}) as { readonly [K in Key]?: number };

const scalar = <Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: number | string } =>
  (isScalar(value) ? { [key]: value } : {}) as { readonly [K in Key]?: number | string };
