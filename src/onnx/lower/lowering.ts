/**
 * @module onnx/lower/lowering
 * From a network's graph to one that a device runs: weights are bound to the bytes of their files, and each larger
 * operation is spelled out. What a device wants is data: one `Lowering` per file beside this one.
 */

import { CheckpointError } from "../../errors.ts";
import { checkGraph } from "../check.ts";
import { type DType, type FileWeight, type Graph, GraphBuilder, type Node, type Value } from "../graph.ts";

/** Bytes of a file, and what they are. */
export interface StoredTensor extends Omit<FileWeight, "value"> {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A weight as the checkpoint stores it; int8 rows come with one float32 scale each, 4-bit blocks with float16 ones. */
export interface StoredWeight extends StoredTensor {
  readonly rowScales?: Float32Array;
  /** The weight is (rows, blocks, 16) uint8, these are (rows, blocks) float16. */
  readonly blockScales?: StoredTensor;
}

/** Finds a weight by its name or one of its older names. @throws {CheckpointError} missing or of another shape. */
export type WeightLookup = (name: string, shape: readonly number[], aliases: readonly string[]) => StoredWeight;

/** What a rewrite may use; `g` is open at the node's scope. */
export interface Rewriting {
  readonly g: GraphBuilder;
  /** The lowered counterpart of one of the node's inputs: for a weight, unpacked whatever the file holds. */
  readonly lowered: (value: Value) => Value;
  /** The weight as it lies; undefined if `value` is no parameter of the network. */
  readonly stored: (value: Value) => { readonly value: Value; readonly weight: StoredWeight } | undefined;
}

export type Rewrite = (context: Rewriting, node: Node) => Value;

export interface Lowering {
  readonly name: string;
  /** The opset of ONNX's own domain; com.microsoft's is always 1. */
  readonly opset: number;
  /** Operations the device wants spelled otherwise; all others pass unchanged. */
  readonly rewrites: Readonly<Record<string, Rewrite>>;
  /** stored -> the type it is computed in; the nodes it adds come first in the graph (GraphBuilder.weightOp). */
  readonly unpackWeight: (g: GraphBuilder, stored: Value, weight: StoredWeight) => Value;
}

/** @returns a graph of ONNX operations only. Its inputs and outputs keep their names and types. */
export function lower(graph: Graph, weights: WeightLookup, lowering: Lowering): Graph {
  checkGraph(graph);
  const g = new GraphBuilder(`${graph.name} for ${lowering.name}`);
  const made = new Map<string, Value>();
  const aliases = new Map(graph.parameters.map((parameter) => [parameter.value.name, parameter.aliases]));
  const storedValues = new Map<string, { value: Value; weight: StoredWeight }>();

  const stored: Rewriting["stored"] = (value) => {
    const older = aliases.get(value.name);
    if (!older) return undefined;
    const known = storedValues.get(value.name);
    if (known) return known;
    const weight = weights(value.name, value.shape, older);
    const { file, offset, byteLength, dtype, shape } = weight;
    const bound = {
      value: g.fileWeight({ value: { name: value.name, dtype, shape }, file, offset, byteLength }),
      weight,
    };
    storedValues.set(value.name, bound);
    return bound;
  };
  const unpack = (value: Value): Value => {
    const known = made.get(value.name);
    if (known) return known;
    const bound = stored(value);
    if (!bound) throw new Error(`${graph.name}: ${value.name} is no weight`);
    if (bound.weight.blockScales) {
      throw new CheckpointError(
        `4-bit weights are only multiplied on the processor, not by ${lowering.name}; ask for --text-encoder-bits 8.`,
      );
    }
    const unpacked = lowering.unpackWeight(g, bound.value, bound.weight);
    made.set(value.name, unpacked);
    return unpacked;
  };
  const lowered = (value: Value): Value => made.get(value.name) ?? unpack(value);

  for (const value of graph.inputs) made.set(value.name, g.input(value.name, value.dtype, value.shape));
  for (const { value, data } of graph.constants) made.set(value.name, g.constant(data, value.shape, value.dtype));
  const outputs = new Set(graph.outputs.map((value) => value.name));
  const context: Rewriting = { g, lowered, stored };

  for (const node of graph.nodes) {
    const [first] = node.inputs;
    if (outputs.has(node.output.name) && first) {
      g.output(node.output.name, inType(g, lowered(first), node.output.dtype));
      continue;
    }
    const rewrite = lowering.rewrites[node.op];
    const path = node.name.slice(0, node.name.lastIndexOf("/"));
    const build = (): Value => {
      if (rewrite) return rewrite(context, node);
      const inputs = node.inputs.map((value) => value && lowered(value));
      return g.op(node.op, inputs, node.attributes);
    };
    made.set(node.output.name, path === "" ? build() : g.scope(path, build));
  }
  const result = g.finish();
  checkGraph(result);
  return result;
}

/** A device may compute in another type than the network is described in. */
function inType(g: GraphBuilder, value: Value, dtype: DType): Value {
  return value.dtype === dtype ? value : g.op("Cast", [value], { to: { kind: "string", value: dtype } });
}
