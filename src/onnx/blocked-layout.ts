/**
 * @module onnx/blocked-layout
 * What onnxruntime makes of a graph's convolutions when it optimises it for the CPU: they work on feature maps whose
 * channels lie in blocks of 16 (NCHWc). Feature maps are reordered where other operations meet them, and a sum is taken into the
 * convolution before it, which writes over the other summand. Only for planning memory: nothing here is run.
 * Source: onnxruntime, `NchwcTransformerImpl`; compared with the graphs it saves of the demo's networks. Blocks are of 16
 * channels with AVX-512 and of 8 with AVX; a CPU without either keeps its feature maps as they are.
 */

import { executionOrder } from "./execution-order.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { intOf } from "./shapes.ts";

const BLOCK = 16;
/** Fewer input channels than a block are read as they are; more must be a multiple of this. */
const CHANNEL_STEP = 4;

/** A feature map in blocks, made by `node`, which may still take up a sum. */
interface Blocked {
  readonly original: Value;
  readonly node: { -readonly [K in keyof Node]: Node[K] };
  /** How often the original was read, and how often it still is. */
  readonly uses: number;
  left: number;
}

/** @param graph lowered, its weights float32. */
export function inBlockedLayout(graph: Graph): Graph {
  const rewriting = new Rewriting(graph);
  for (const node of executionOrder(graph)) rewriting.take(node);
  return rewriting.finish();
}

class Rewriting {
  readonly #graph: Graph;
  readonly #uses = new Map<string, number>();
  readonly #blocked = new Map<string, Blocked>();
  readonly #reordered = new Map<string, Value>();
  readonly #replaced = new Set<Node>();
  readonly #added: Node[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
    const read = [...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs];
    for (const value of read) if (value) this.#uses.set(value.name, (this.#uses.get(value.name) ?? 0) + 1);
  }

  take(node: Node): void {
    const [x, weight] = node.inputs;
    if (!x) return;
    const inChannels = weight?.shape[1] ?? 0;
    if (node.op === "Conv" && (inChannels < BLOCK || inChannels % CHANNEL_STEP === 0)) {
      this.#replace(node, "nchwc.Conv", inChannels < BLOCK ? undefined : x);
    } else if (node.op === "AveragePool" && (x.shape[1] ?? 0) % BLOCK === 0) {
      this.#replace(node, "nchwc.AveragePool", x);
    } else if (node.op === "Resize" && this.#blocked.has(x.name)) {
      this.#replace(node, "nchwc.Upsample", x);
    } else if (node.op === "Add") {
      this.#takeAdd(node);
    } else if (node.op === "Concat" && intOf(node.attributes, "axis") === 1) {
      const all = node.inputs.every(
        (part) => part && this.#blocked.has(part.name) && (part.shape[1] ?? 0) % BLOCK === 0,
      );
      if (all) this.#replace(node, "Concat", ...node.inputs);
    }
  }

  finish(): Graph {
    for (const { original, node, left } of this.#blocked.values()) {
      if (left > 0) this.#add("nchwc.ReorderOutput", [node.output], original);
    }
    return {
      ...this.#graph,
      nodes: [...this.#graph.nodes.filter((node) => !this.#replaced.has(node)), ...this.#added],
    };
  }

  /** @param blockedInputs those that must be in blocks. */
  #replace(node: Node, op: string, ...blockedInputs: (Value | null | undefined)[]): void {
    const blockedValue = this.#add(op, node.inputs, inBlocks(node.output), node);
    blockedValue.inputs = node.inputs.map((value) =>
      value && blockedInputs.includes(value) ? this.#inBlocks(value) : value,
    );
    this.#replaced.add(node);
    const uses = this.#uses.get(node.output.name) ?? 0;
    this.#blocked.set(node.output.name, { original: node.output, node: blockedValue, uses, left: uses });
  }

  #takeAdd(node: Node): void {
    const [a, b] = node.inputs.map((value) => (value ? this.#blocked.get(value.name) : undefined));
    if (!a || !b || a.original.shape.join() !== b.original.shape.join()) return;
    for (const [blockedValue, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (blockedValue.node.op !== "nchwc.Conv" || blockedValue.uses !== 1 || blockedValue.node.inputs.length > 3)
        continue;
      const [x = null, weight = null, bias = null] = blockedValue.node.inputs;
      blockedValue.node.inputs = [x, weight, bias, other.node.output];
      [blockedValue.left, other.left] = [blockedValue.left - 1, other.left - 1];
      this.#replaced.add(node);
      const uses = this.#uses.get(node.output.name) ?? 0;
      this.#blocked.set(node.output.name, { original: node.output, node: blockedValue.node, uses, left: uses });
      return;
    }
    this.#replace(node, "Add", ...node.inputs);
  }

  #inBlocks(value: Value): Value {
    const blocked = this.#blocked.get(value.name);
    if (blocked) blocked.left -= 1;
    const existing = blocked?.node.output ?? this.#reordered.get(value.name);
    if (existing) return existing;
    const { output } = this.#add("nchwc.ReorderInput", [value], inBlocks(value));
    this.#reordered.set(value.name, output);
    return output;
  }

  #add(op: string, inputs: Node["inputs"], output: Value, like?: Node): Blocked["node"] {
    const node = {
      name: like?.name ?? `${op} of ${output.name}`,
      op,
      inputs,
      output,
      attributes: like?.attributes ?? {},
    };
    this.#added.push(node);
    return node;
  }
}

/** The same feature map, its last block filled up. */
function inBlocks({ name, dtype, shape }: Value): Value {
  const [batch = 0, channels = 0, ...sides] = shape;
  return { name: `${name} in blocks`, dtype, shape: [batch, Math.ceil(channels / BLOCK) * BLOCK, ...sides] };
}
