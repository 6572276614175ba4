/**
 * @module onnx/lower/rewriting
 * What a rewrite takes and gives: weights as they lie in their files, values as a device holds them.
 */

import type { DType, FileWeight, GraphBuilder, Node, Value } from "../graph.ts";

/** Bytes of a file, and what they are. */
export interface StoredTensor extends Omit<FileWeight, "value"> {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A weight as the checkpoint stores it; int8 rows come with one float32 scale each, blocks with float16 ones. */
export interface StoredWeight extends StoredTensor {
  readonly rowScales?: Float32Array;
  /** The weight is (rows, blocks, 16 in 4 bits or 32 in 8) uint8, these are (rows, blocks) float16. */
  readonly blockScales?: StoredTensor;
}

/** A weight as it lies in its file, in the lowered graph. */
export interface BoundWeight {
  readonly value: Value;
  readonly weight: StoredWeight;
  /** Of blocks: (rows, blocks) float16. */
  readonly scales?: Value;
}

/** What lies in rows: a map (B, C, ...), or tokens (B, N, C). */
export type ChannelsLastKind = "featureMap" | "tokens";

/** A feature map or tokens as (N·B, C): a row for each pixel or token and sample, the samples of a pixel one after the other. */
export interface ChannelsLast {
  readonly rows: Value;
  readonly kind: ChannelsLastKind;
}

/** Finds a weight by its name or one of its older names. @throws {CheckpointError} missing or of another shape. */
export type WeightLookup = (name: string, shape: readonly number[], aliases: readonly string[]) => StoredWeight;

/** What a rewrite may use; `g` is open at the node's scope. */
export interface Rewriting {
  readonly g: GraphBuilder;
  /** The network's node that makes a value; undefined for inputs, weights and constants. */
  readonly producer: (value: Value) => Node | undefined;
  /** The network's nodes that take a value. */
  readonly consumers: (value: Value) => readonly Node[];
  /** The lowered counterpart of one of the node's inputs: for a weight, unpacked whatever the file holds. */
  readonly lowered: (value: Value) => Value;
  /** The same in rows, (N·B, C); rearranged, as a feature map or as tokens, unless it was made so. */
  readonly rows: (value: Value, kind?: ChannelsLastKind) => Value;
  /** Was it made channels-last, and of what? */
  readonly kindOf: (value: Value) => ChannelsLastKind | undefined;
  /** The weight as it lies; undefined if `value` is no parameter of the network. */
  readonly stored: (value: Value) => BoundWeight | undefined;
  /** The same, without entering it into the lowered graph. */
  readonly weight: (value: Value) => StoredWeight | undefined;
}

export type Rewrite = (context: Rewriting, node: Node) => Lowered;

/** A node's result, or how to make it once it is asked for: never, where all its consumers do without. */
export type Lowered = Value | ChannelsLast | { readonly later: () => Value | ChannelsLast };

/**
 * stored -> the type it is computed in, in the network's shape; the nodes it adds come first in the graph
 * (GraphBuilder.weightOp).
 */
export type UnpackWeight = (g: GraphBuilder, bound: BoundWeight, shape: readonly number[]) => Value;
