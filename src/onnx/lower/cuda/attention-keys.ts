/**
 * @module onnx/lower/cuda/attention-keys
 * The keys pass: keys and values of attentions that see a text and pixels at once (IF's networks). Starting an operation takes
 * the CPU longer than the GPU needs for most of these, and a step waits for the CPU in each of some twenty attentions. So
 *
 * - the text's group norm is made for several attentions at once, without their own weights;
 * - so are the text's keys and values, side by side, in one product of stacked weights;
 * - keys and values of the pixels are one product, and they are joined with the text's in one operation: onnxruntime
 *   copies four tables to the GPU for each that joins parts of different lengths.
 *
 * Weights are stacked at each step, which takes IF-I-XL 0.8 ms on an H200. Folded when the session is made, they would lie in RAM a
 * second time.
 *
 * Letters: A attentions of one width, B batch, L tokens of the text, N pixels, X width of the text, C channels.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { Graph, GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { type WrittenValues, rebuild } from "../../rebuild.ts";
import { intOf } from "../../shapes.ts";
import type { Pass } from "../lower.ts";

export const joinedKeys: Pass = {
  name: "keys",
  run: (graph) => {
    const groups = groupsOf(attentionsIn(graph));
    if (groups.length === 0) return graph;
    return rebuild(graph, (g, values) => {
      const writer = new KeyWriter(g, values, groups);
      return { visit: (node) => writer.visit(node) };
    });
  },
};

/** A linear layer's weight and bias, as the network has them. */
interface Layer {
  readonly weight: Value;
  readonly bias: Value;
}

/** Keys and values of one attention: each the text's, (B, L, C), and behind it the pixels', (B, N, C). */
interface TextAttention {
  /** The joined keys and the joined values. */
  readonly joined: readonly [key: Node, value: Node];
  readonly text: TextSource;
  readonly ofText: readonly [key: Layer, value: Layer];
  readonly pixels: Value;
  readonly ofPixels: readonly [key: Layer, value: Layer];
  /** Nodes whose results nobody else reads. */
  readonly replaced: readonly Node[];
}

/** What the text's layers take: (B, L, X), normalised or not. */
interface TextSource {
  readonly value: Value;
  readonly norm?: { readonly node: Node; readonly weight: Value; readonly shift: Value };
}

function attentionsIn(graph: Graph): TextAttention[] {
  const find = new Finder(graph);
  return graph.nodes.flatMap((node) => {
    const found = node.op === "Attention" ? find.textAttention(node) : undefined;
    return found ? [found] : [];
  });
}

/** Numbers of a stack's weights at most, 64 MiB in float16: they are there beside the feature maps. */
const STACK_NUMBERS = 2 ** 25;

/** Attentions of one width that see the same text, as many as a stack holds. */
function groupsOf(attentions: readonly TextAttention[]): (readonly TextAttention[])[] {
  const groups = new Map<string, TextAttention[]>();
  for (const attention of attentions) {
    const { text, ofText } = attention;
    const settings = text.norm ? JSON.stringify(text.norm.node.attributes) : "";
    const key = [text.value.name, settings, ofText[0].weight.shape.join()].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), attention]);
  }
  return [...groups.values()].flatMap(inStacks);
}

function inStacks(group: readonly TextAttention[]): (readonly TextAttention[])[] {
  const numbers = 2 * elementCount(group[0]?.ofText[0].weight.shape ?? []);
  const size = Math.max(1, Math.floor(STACK_NUMBERS / numbers));
  return Array.from({ length: Math.ceil(group.length / size) }, (_, at) => group.slice(at * size, (at + 1) * size));
}

class Finder {
  readonly #producers: ReadonlyMap<string, Node>;
  readonly #parameters: ReadonlySet<string>;
  readonly #readers = new Map<string, number>();

  constructor({ nodes, parameters }: Graph) {
    this.#producers = new Map(nodes.map((node) => [node.output.name, node]));
    this.#parameters = new Set(parameters.map(({ value }) => value.name));
    for (const { inputs } of nodes) {
      for (const value of inputs) if (value) this.#readers.set(value.name, (this.#readers.get(value.name) ?? 0) + 1);
    }
  }

  textAttention({ inputs: [, key, value] }: Node): TextAttention | undefined {
    const [keys, values] = [this.#joinedLayers(key), this.#joinedLayers(value)];
    if (!keys || !values) return undefined;
    const isOne = keys.text.input === values.text.input && keys.pixels.input === values.pixels.input;
    if (!isOne || keys.text.layer.weight.shape.join() !== values.text.layer.weight.shape.join()) return undefined;
    const source = this.#textSource(keys.text.input);
    return {
      joined: [keys.node, values.node],
      text: source,
      ofText: [keys.text.layer, values.text.layer],
      pixels: keys.pixels.input,
      ofPixels: [keys.pixels.layer, values.pixels.layer],
      replaced: [...keys.nodes, ...values.nodes, ...this.#normNodes(keys.text.input, source)],
    };
  }

  /** Two linear layers' tokens, one behind the other. */
  #joinedLayers(value: Value | null | undefined) {
    const node = this.#only(value, "Concat");
    if (!node || node.inputs.length !== 2 || intOf(node.attributes, "axis") !== 1) return undefined;
    const [text, pixels] = node.inputs.map((part) => this.#layer(part));
    return text && pixels ? { node, text, pixels, nodes: [text.node, pixels.node] } : undefined;
  }

  #layer(value: Value | null) {
    const node = this.#only(value, "Linear");
    const [input, weight, bias] = node?.inputs ?? [];
    return node && input && weight && bias ? { node, input, layer: { weight, bias } } : undefined;
  }

  /** The text behind its group norm, where it is one of (B, X, L) between two turns. */
  #textSource(value: Value): TextSource {
    const [back, norm, turned] = this.#normChain(value);
    const [, weight, shift] = norm?.inputs ?? [];
    const text = turned?.inputs[0];
    if (!back || !norm || !text || !weight || !shift) return { value };
    const areWeights = this.#parameters.has(weight.name) && this.#parameters.has(shift.name);
    return areWeights ? { value: text, norm: { node: norm, weight, shift } } : { value };
  }

  #normNodes(value: Value, { norm }: TextSource): readonly Node[] {
    const [back, node] = this.#normChain(value);
    const isRead = (this.#readers.get(value.name) ?? 0) > 2; // by others than keys and values
    return norm && back && node && !isRead ? [back, node] : [];
  }

  #normChain(value: Value): readonly (Node | undefined)[] {
    const back = this.#made(value, "Transpose");
    const norm = this.#made(back?.inputs[0], "GroupNorm");
    return [back, norm, this.#made(norm?.inputs[0], "Transpose")];
  }

  #made(value: Value | null | undefined, op: string): Node | undefined {
    const node = value ? this.#producers.get(value.name) : undefined;
    return node?.op === op ? node : undefined;
  }

  /** The same of a value that is read once. */
  #only(value: Value | null | undefined, op: string): Node | undefined {
    return value && this.#readers.get(value.name) === 1 ? this.#made(value, op) : undefined;
  }
}

class KeyWriter {
  readonly #g: GraphBuilder;
  readonly #values: WrittenValues;
  readonly #replaced: ReadonlySet<Node>;
  /** By the node that joins keys, and by the one that joins values. */
  readonly #attentions = new Map<Node, TextAttention>();
  readonly #groups = new Map<TextAttention, readonly TextAttention[]>();
  /** The text's keys and values side by side, (B, L, 2·C). */
  readonly #ofText = new Map<TextAttention, Value>();

  constructor(g: GraphBuilder, values: WrittenValues, groups: readonly (readonly TextAttention[])[]) {
    this.#g = g;
    this.#values = values;
    for (const group of groups) {
      for (const attention of group) {
        this.#groups.set(attention, group);
        for (const node of attention.joined) this.#attentions.set(node, attention);
      }
    }
    this.#replaced = new Set(groups.flat().flatMap(({ replaced }) => replaced));
  }

  visit(node: Node): void {
    if (this.#replaced.has(node) || this.#values.has(node.output)) return;
    const attention = this.#attentions.get(node);
    if (attention) this.#join(attention);
    else this.#values.copy(node);
  }

  #join(attention: TextAttention): void {
    const { joined, pixels, ofPixels } = attention;
    if (!this.#ofText.has(attention)) this.#makeText(this.#groups.get(attention)!);
    const ofText = this.#ofText.get(attention)!;
    const both = ops.concat(this.#g, [ofText, this.#linear(this.#values.of(pixels), ofPixels, 1)], 1); // (B, L + N, 2·C)
    const channels = (both.shape[2] ?? 0) / 2;
    const [key, value] = ops.parts(this.#g, both, 2, [channels, channels]);
    this.#values.set(joined[0].output, key!);
    this.#values.set(joined[1].output, value!);
  }

  /** Keys and values of the text for all attentions of a group: (A, B·L, 2·C), cut into (B, L, 2·C) each. */
  #makeText(group: readonly TextAttention[]): void {
    const g = this.#g;
    const x = this.#normedText(group); // (A, B·L, X)
    const layers = group.flatMap(({ ofText }) => ofText);
    const stacked = this.#linear(x, layers, group.length);
    const [count = 0, , width = 0] = stacked.shape;
    const [batch = 0, length = 0] = group[0]?.text.value.shape ?? [];
    const sizes = Array.from({ length: count }, () => 1);
    for (const [at, part] of ops.parts(g, stacked, 0, sizes).entries()) {
      this.#ofText.set(group[at]!, ops.reshape(g, part, [batch, length, width]));
    }
  }

  /** The text with the norm of each attention, (A, B·L, X): its statistics are the same for all. */
  #normedText(group: readonly TextAttention[]): Value {
    const g = this.#g;
    const { value, norm } = group[0]!.text;
    const [batch = 0, length = 0, width = 0] = value.shape;
    const shape = [group.length, batch * length, width];
    if (!norm) return ops.expand(g, ops.reshape(g, this.#values.of(value), [1, batch * length, width]), shape);
    const turned = ops.transpose(g, this.#values.of(value), [0, 2, 1]); // (B, X, L)
    const plain = [new Float32Array(width).fill(1), new Float32Array(width)].map((data) => g.constant(data, [width]));
    const normed = ops.transpose(g, g.op("GroupNorm", [turned, ...plain], norm.node.attributes), [0, 2, 1]);
    const ofAll = (choose: (norm: NonNullable<TextSource["norm"]>) => Value): Value => {
      const each = group.map(({ text }) => this.#values.of(choose(text.norm!)));
      return ops.reshape(g, ops.concat(g, each, 0), [group.length, 1, width]);
    };
    const scaled = ops.mul(
      g,
      ops.reshape(g, normed, [1, batch * length, width]),
      ofAll(({ weight }) => weight),
    );
    return ops.add(
      g,
      scaled,
      ofAll(({ shift }) => shift),
    );
  }

  #linear(x: Value, layers: readonly Layer[], stacks: number): Value {
    const weights = layers.map(({ weight }) => this.#values.of(weight));
    const biases = layers.map(({ bias }) => this.#values.of(bias));
    return this.#g.op("JoinedLinear", [x, ...weights, ...biases], { stacks: ops.int(stacks) });
  }
}
