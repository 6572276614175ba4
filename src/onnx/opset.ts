/**
 * @module onnx/opset
 * How a lowered operation is written in ONNX: most as they are; where ONNX takes a static argument as an input tensor or
 * under another name, the entry here says so. Source: the operator schemas of onnx/onnx, domain ai.onnx, opset 13 to 23.
 */

import { ShapeError } from "../errors.ts";
import type { Attribute, Node } from "./graph.ts";
import { intOf, intsOf, textOf } from "./shapes.ts";

export interface OnnxForm {
  /** ONNX's name for the operation, where it is not the node's own; with its domain, where that is not ONNX's. */
  readonly opType?: string;
  /** Of the node's inputs, by their places; all of them if absent. */
  readonly inputs?: readonly number[];
  /** Appended to the node's inputs: int64 vectors, or null for an input left out. */
  readonly extraInputs: readonly (readonly number[] | null)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** How many outputs are left out between the first and the further ones. */
  readonly outputGap?: number;
}

/** ONNX's TensorProto.DataType. */
export const onnxDataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
} as const;

const int = (value: number): Attribute => ({ kind: "int", value });
const text = (value: string): Attribute => ({ kind: "string", value });

const reduce = ({ attributes }: Node): OnnxForm =>
  attributes["axis"]
    ? { extraInputs: [[intOf(attributes, "axis")]], attributes: { keepdims: int(0) } }
    : { extraInputs: [[-1]], attributes: { keepdims: int(1) } };

const turn = (...perm: number[]): OnnxForm => ({
  opType: "Transpose",
  extraInputs: [],
  attributes: { perm: { kind: "ints", value: perm } },
});

const forms: Readonly<Record<string, (node: Node, others: readonly Node[]) => OnnxForm>> = {
  Reshape: ({ attributes }) => ({ extraInputs: [intsOf(attributes, "shape")], attributes: {} }),
  Expand: ({ attributes }) => ({ extraInputs: [intsOf(attributes, "shape")], attributes: {} }),
  Slice: ({ attributes }) => ({
    extraInputs: [[intOf(attributes, "start")], [intOf(attributes, "end")], [intOf(attributes, "axis")]],
    attributes: {},
  }),
  Part: (node, others) => ({
    opType: "Split",
    extraInputs: [[node, ...others].map(({ attributes }) => intOf(attributes, "end") - intOf(attributes, "start"))],
    attributes: { axis: int(intOf(node.attributes, "axis")) },
  }),
  "com.microsoft.FusedMatMul": () => ({ extraInputs: [], attributes: { transB: int(1) } }),
  "com.microsoft.SkipLayerNormalization": ({ attributes }) => ({ extraInputs: [], attributes, outputGap: 2 }),
  Cast: ({ attributes }) => ({ extraInputs: [], attributes: { to: int(dataTypeNumber(textOf(attributes, "to"))) } }),
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceL2: reduce,
  ReduceSumSquare: reduce,
  ReduceMax: () => ({ extraInputs: [[-1]], attributes: { keepdims: int(0) } }),
  Gemm: () => ({ extraInputs: [], attributes: { transB: int(1) } }),
  GramMatrix: ({ attributes }) => ({
    opType: "com.microsoft.FusedMatMul",
    inputs: [0, 0],
    extraInputs: [],
    attributes: { transA: int(1), alpha: attributes["alpha"]! },
  }),
  ConvOfKernelLast: ({ attributes, inputs: [, kernel] }) => ({
    opType: "com.ms.internal.nhwc.Conv",
    extraInputs: [],
    attributes: { ...attributes, kernel_shape: { kind: "ints", value: kernel?.shape.slice(1, 3) ?? [] } },
  }),
  ToChannelsFirst: () => turn(0, 3, 1, 2),
  ToChannelsLast: () => turn(0, 2, 3, 1),
  Resize: (node) => ({
    extraInputs: [null, null, node.output.shape], // roi, scales, sizes
    attributes: {
      mode: text("nearest"),
      coordinate_transformation_mode: text("asymmetric"),
      nearest_mode: text("floor"),
    },
  }),
};

/** Nodes of one key are results of one operation; undefined: a node is an operation of its own. */
export function operationOf({ op, inputs: [first, second] }: Node): string | undefined {
  if (op === "Part") return `parts of ${first?.name}`;
  if (op === "com.microsoft.SkipGroupNorm" || op === "SkipGroupSum") return `group sum of ${first?.name}`;
  const isSkip = op === "com.microsoft.SkipLayerNormalization" || op === "SkipSum";
  return isSkip ? `sum of ${first?.name} and ${second?.name}` : undefined;
}

/** @param others whose results the same operation gives, in their order. */
export function onnxForm(node: Node, others: readonly Node[] = []): OnnxForm {
  return forms[node.op]?.(node, others) ?? { extraInputs: [], attributes: node.attributes };
}

export function dataTypeNumber(dtype: string): number {
  const dataTypes: Readonly<Record<string, number>> = onnxDataTypes;
  const number = dataTypes[dtype];
  if (number === undefined) throw new ShapeError(`ONNX has no type ${dtype}`);
  return number;
}
