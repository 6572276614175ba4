/**
 * @module onnx/graph
 * A network as a graph of operations over values with static shapes, and the builder that writes one down.
 *
 * The operations (onnx/ops.ts) are the networks' own vocabulary: what ONNX has, with every static argument as an
 * attribute, and a few larger ones (Linear, GroupNorm, Attention, ...) that onnx/lower/* decomposes for a device.
 * Names come from scopes: weights are called as in the checkpoint, joined by dots
 * (`encoder.block.3.layer.0.SelfAttention.q.weight`), nodes after the scope and the operation (`encoder.block.3/Linear_41`).
 */

import { ShapeError } from "../errors.ts";
import { inferOutput } from "./shapes.ts";

export type DType = "float32" | "float16" | "bfloat16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** What flows along an edge. The name is unique in its graph. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] };

export type Attributes = Readonly<Record<string, Attribute>>;

export interface Node {
  readonly name: string;
  /** A name of onnx/shapes.ts; those of another domain than ONNX's own carry it: `com.microsoft.QuickGelu`. */
  readonly op: string;
  /** null: an optional input that is left out. */
  readonly inputs: readonly (Value | null)[];
  readonly output: Value;
  readonly attributes: Attributes;
}

/** A weight, float32 to the network whatever the file holds. `aliases`: other names older checkpoints use for it. */
export interface Parameter {
  readonly value: Value;
  readonly aliases: readonly string[];
}

export type ConstantData = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array | Uint16Array;

export interface Constant {
  readonly value: Value;
  readonly data: ConstantData;
}

/** A weight where it lies: bytes of a file, in the file's own type. Only lowered graphs have these. */
export interface FileWeight {
  readonly value: Value;
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly parameters: readonly Parameter[];
  readonly constants: readonly Constant[];
  readonly fileWeights: readonly FileWeight[];
  readonly nodes: readonly Node[];
  /** What each scope returned, by its path: lets a test look at any layer. */
  readonly modules: ReadonlyMap<string, Value>;
}

/** Nodes that a builder made: the shape of their output was inferred when they were. */
const inferredNodes = new WeakSet<Node>();

/** Is the shape of its output inferred from its inputs, so that it need not be inferred again? */
export const isInferred = (node: Node): boolean => inferredNodes.has(node);

export class GraphBuilder {
  readonly #name: string;
  #path = "";
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #parameters = new Map<string, Parameter>();
  readonly #constants: Constant[] = [];
  readonly #constantNames = new Set<string>();
  readonly #fileWeights: FileWeight[] = [];
  readonly #weightNodes: Node[] = [];
  readonly #nodes: Node[] = [];
  readonly #modules = new Map<string, Value>();
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Runs `build` with `name` (which may hold dots) added to the path of weight and node names. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.#path;
    this.#path = this.#qualify(name);
    try {
      const result = build();
      if (isValue(result)) this.#modules.set(this.#path, result);
      return result;
    } finally {
      this.#path = outer;
    }
  }

  /** @returns the path of the innermost scope, joined by dots; "" outside all. */
  get path(): string {
    return this.#path;
  }

  input(name: string, dtype: DType, shape: readonly number[]): Value {
    const value = { name, dtype, shape };
    this.#inputs.push(value);
    return value;
  }

  output(name: string, value: Value): void {
    this.#outputs.push(this.#emit(this.#nodes, name, "Identity", [value], {}, name));
  }

  /** A weight of the current scope; asking twice gives the same value. `aliases` are whole names, from the root. */
  parameter(name: string, shape: readonly number[], aliases: readonly string[] = []): Value {
    const full = this.#qualify(name);
    const existing = this.#parameters.get(full);
    if (existing) return existing.value;
    const value: Value = { name: full, dtype: "float32", shape };
    this.#parameters.set(full, { value, aliases });
    return value;
  }

  constant(data: ConstantData, shape: readonly number[], dtype: DType = dtypeOf(data)): Value {
    const value: Value = { name: this.#fresh("Constant"), dtype, shape };
    this.#constants.push({ value, data });
    this.#constantNames.add(value.name);
    return value;
  }

  isConstant({ name }: Value): boolean {
    return this.#constantNames.has(name);
  }

  /** A float32 number, shape []. */
  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), []);
  }

  /** A weight as it lies in a file. Used by lowering. */
  fileWeight(weight: FileWeight): Value {
    this.#fileWeights.push(weight);
    return weight.value;
  }

  /** Adds an operation; its output's shape is inferred. @throws {ShapeError} naming the node. */
  op(op: string, inputs: readonly (Value | null)[], attributes: Attributes = {}): Value {
    const name = this.#fresh(op);
    return this.#emit(this.#nodes, name, op, inputs, attributes, name);
  }

  /**
   * Adds an operation that only unpacks a weight. Such nodes come first in the finished graph: onnxruntime starts the
   * highest-numbered node that is ready, so low-numbered ones run just before their consumer, and one weight is unpacked
   * at a time instead of all of them.
   */
  weightOp(op: string, inputs: readonly (Value | null)[], attributes: Attributes = {}): Value {
    const name = this.#fresh(op);
    return this.#emit(this.#weightNodes, name, op, inputs, attributes, name);
  }

  finish(): Graph {
    return {
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      parameters: [...this.#parameters.values()],
      constants: this.#constants,
      fileWeights: this.#fileWeights,
      nodes: [...this.#weightNodes, ...this.#nodes],
      modules: this.#modules,
    };
  }

  #emit(
    list: Node[],
    name: string,
    op: string,
    inputs: readonly (Value | null)[],
    attributes: Attributes,
    output: string,
  ): Value {
    try {
      const value: Value = { name: output, ...inferOutput(op, inputs, attributes) };
      const node: Node = { name, op, inputs, output: value, attributes };
      inferredNodes.add(node);
      list.push(node);
      return value;
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      throw new ShapeError(`${this.#name}: ${name}: ${error.message}`, { cause: error });
    }
  }

  #qualify(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  #fresh(op: string): string {
    const short = op.slice(op.lastIndexOf(".") + 1);
    return `${this.#path}/${short}_${this.#count++}`;
  }
}

function isValue(result: unknown): result is Value {
  return typeof result === "object" && result !== null && "dtype" in result && "shape" in result;
}

function dtypeOf(data: ConstantData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Int8Array) return "int8";
  if (data instanceof Uint8Array) return "uint8";
  return "float16"; // a Uint16Array of float16 bits
}
