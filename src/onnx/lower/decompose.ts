/**
 * @module onnx/lower/decompose
 * From a network's own vocabulary to ONNX operations, node by node: weights are bound to the bytes of their files, and each
 * larger operation becomes what the device's rewrite of it says.
 */

import { type DType, type Graph, GraphBuilder, type Node, type Value } from "../graph.ts";
import { fromChannelsLast, toChannelsLast } from "./webgpu/channels-last.ts";
import type {
  BoundWeight,
  Lowered,
  ChannelsLast,
  Rewrite,
  Rewriting,
  StoredTensor,
  StoredWeight,
  UnpackWeight,
  WeightLookup,
} from "./rewriting.ts";

/** What a device makes of operations and weights. */
interface Decompositions {
  readonly name: string;
  readonly rewrites: Readonly<Record<string, Rewrite>>;
  readonly unpackWeight: UnpackWeight;
}

/** @returns a graph of ONNX operations only. Its inputs and outputs keep their names and types. */
export function decompose(
  graph: Graph,
  weights: WeightLookup,
  { name: device, rewrites, unpackWeight }: Decompositions,
): Graph {
  const g = new GraphBuilder(`${graph.name} for ${device}`);
  const made = new Map<string, Value>();
  const madeRows = new Map<string, ChannelsLast>();
  const postponed = new Map<string, () => Value | ChannelsLast>();
  const producers = new Map(graph.nodes.map((node) => [node.output.name, node]));
  const consumers = consumersIn(graph);
  const { weight, stored } = bindOnce(graph, weights, g);

  const keep = ({ name }: Value, result: Lowered): void => {
    if ("later" in result) postponed.set(name, result.later);
    else if ("rows" in result) madeRows.set(name, result);
    else made.set(name, result);
  };
  const settle = (value: Value): void => {
    const make = postponed.get(value.name);
    if (make && postponed.delete(value.name)) keep(value, make());
  };
  const unpack = (value: Value): Value => {
    const bound = stored(value);
    if (!bound) throw new Error(`${graph.name}: ${value.name} is no weight`);
    return unpackWeight(g, bound, value.shape);
  };
  const lowered = (value: Value): Value => {
    settle(value);
    const rows = madeRows.get(value.name);
    return remember(made, value, () => (rows ? fromChannelsLast(g, rows, value.shape) : unpack(value)));
  };
  const context: Rewriting = {
    g,
    producer: (value) => producers.get(value.name),
    consumers: (value) => consumers.get(value.name) ?? [],
    lowered,
    rows: (value, kind = "featureMap") => {
      settle(value);
      return remember(madeRows, value, () => ({ rows: toChannelsLast(g, lowered(value), kind), kind })).rows;
    },
    kindOf: (value) => {
      settle(value);
      return madeRows.get(value.name)?.kind;
    },
    stored,
    weight,
  };

  for (const value of graph.inputs) made.set(value.name, g.input(value.name, value.dtype, value.shape));
  for (const { value, data } of graph.constants) made.set(value.name, g.constant(data, value.shape, value.dtype));
  const outputs = new Set(graph.outputs.map((value) => value.name));

  for (const node of graph.nodes) {
    const [first] = node.inputs;
    if (outputs.has(node.output.name) && first) {
      g.output(node.output.name, inType(g, lowered(first), node.output.dtype));
      continue;
    }
    const rewrite = rewrites[node.op];
    const path = node.name.slice(0, node.name.lastIndexOf("/"));
    const build = (): Lowered => {
      if (rewrite) return rewrite(context, node);
      const inputs = node.inputs.map((value) => value && lowered(value));
      return g.op(node.op, inputs, node.attributes);
    };
    keep(node.output, path === "" ? build() : g.scope(path, build));
  }
  return g.finish();
}

function consumersIn({ nodes }: Graph): ReadonlyMap<string, readonly Node[]> {
  const consumers = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const name of new Set(node.inputs.map((input) => input?.name))) {
      if (name === undefined) continue;
      const nodes = consumers.get(name);
      if (nodes) nodes.push(node);
      else consumers.set(name, [node]);
    }
  }
  return consumers;
}

/** Finds a weight when it is asked for first, and enters it into `g` when it is used first. */
function bindOnce(graph: Graph, weights: WeightLookup, g: GraphBuilder): Pick<Rewriting, "weight" | "stored"> {
  const aliases = new Map(graph.parameters.map((parameter) => [parameter.value.name, parameter.aliases]));
  const found = new Map<string, StoredWeight>();
  const bound = new Map<string, BoundWeight>();
  const weight = (value: Value): StoredWeight | undefined => {
    const older = aliases.get(value.name);
    return older && remember(found, value, () => weights(value.name, value.shape, older));
  };
  const stored = (value: Value): BoundWeight | undefined => {
    const found = weight(value);
    return found && remember(bound, value, () => bindWeight(g, found, value.name));
  };
  return { weight, stored };
}

/** Enters a weight into `g`. @param name of the value it becomes. */
export function bindWeight(g: GraphBuilder, weight: StoredWeight, name: string): BoundWeight {
  const scales = weight.blockScales;
  return {
    value: bindTensor(g, name, weight),
    weight,
    ...(scales ? { scales: bindTensor(g, scales.name, scales) } : {}),
  };
}

const bindTensor = (g: GraphBuilder, name: string, { file, offset, byteLength, dtype, shape }: StoredTensor): Value =>
  g.fileWeight({ value: { name, dtype, shape }, file, offset, byteLength });

function remember<T>(cache: Map<string, T>, { name }: Value, make: () => T): T {
  const old = cache.get(name);
  if (old !== undefined) return old;
  const made = make();
  cache.set(name, made);
  return made;
}

/** A device may compute in another type than the network is described in. */
function inType(g: GraphBuilder, value: Value, dtype: DType): Value {
  return value.dtype === dtype ? value : g.op("Cast", [value], { to: { kind: "string", value: dtype } });
}
