/**
 * @module onnx/opset
 * How a lowered operation is written in ONNX: most as they are; where ONNX takes a static argument as an input tensor or
 * under another name, the entry here says so. Source: the operator schemas of onnx/onnx, domain ai.onnx, opset 13 to 23.
 */

import { ShapeError } from "../errors.ts";
import type { Attribute, Node } from "./graph.ts";
import { intOf, intsOf, textOf } from "./shapes.ts";

export interface OnnxForm {
  /** Appended to the node's inputs: int64 vectors, or null for an input left out. */
  readonly extraInputs: readonly (readonly number[] | null)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
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

const forms: Readonly<Record<string, (node: Node) => OnnxForm>> = {
  Reshape: ({ attributes }) => ({ extraInputs: [intsOf(attributes, "shape")], attributes: {} }),
  Expand: ({ attributes }) => ({ extraInputs: [intsOf(attributes, "shape")], attributes: {} }),
  Slice: ({ attributes }) => ({
    extraInputs: [[intOf(attributes, "start")], [intOf(attributes, "end")], [intOf(attributes, "axis")]],
    attributes: {},
  }),
  Cast: ({ attributes }) => ({ extraInputs: [], attributes: { to: int(dataTypeNumber(textOf(attributes, "to"))) } }),
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceL2: reduce,
  ReduceMax: () => ({ extraInputs: [[-1]], attributes: { keepdims: int(0) } }),
  Gemm: () => ({ extraInputs: [], attributes: { transB: int(1) } }),
  Resize: (node) => ({
    extraInputs: [null, null, node.output.shape], // roi, scales, sizes
    attributes: {
      mode: text("nearest"),
      coordinate_transformation_mode: text("asymmetric"),
      nearest_mode: text("floor"),
    },
  }),
};

export function onnxForm(node: Node): OnnxForm {
  return forms[node.op]?.(node) ?? { extraInputs: [], attributes: node.attributes };
}

export function dataTypeNumber(dtype: string): number {
  const known: Readonly<Record<string, number>> = onnxDataTypes;
  const number = known[dtype];
  if (number === undefined) throw new ShapeError(`ONNX has no type ${dtype}`);
  return number;
}
