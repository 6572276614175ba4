/**
 * @module onnx/encode
 * A lowered graph as the bytes of an ONNX ModelProto. Weights are not in them: they are external data, the name of a
 * file with an offset and a length. Field numbers: onnx/onnx, onnx.proto3.
 */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Attribute, Constant, FileWeight, Graph, Node, Value } from "./graph.ts";
import { dataTypeNumber, onnxForm, operationOf } from "./opset.ts";

const IR_VERSION = 10;
/** Domains of onnxruntime's own operations. The second holds ONNX's convolutions and pools, channels-last. */
const DOMAINS = ["com.microsoft", "com.ms.internal.nhwc"] as const;

/** @returns the domain that an operation's name begins with; undefined: ONNX's own. */
const domainOf = (op: string): (typeof DOMAINS)[number] | undefined =>
  DOMAINS.find((domain) => op.startsWith(`${domain}.`));

/** The messages written here, each with its fields' numbers. */
const fields = {
  ModelProto: { irVersion: 1, producerName: 2, graph: 7, opsetImport: 8 },
  OperatorSetIdProto: { domain: 1, version: 2 },
  GraphProto: { node: 1, name: 2, initializer: 5, input: 11, output: 12 },
  NodeProto: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 },
  AttributeProto: { name: 1, f: 2, i: 3, s: 4, ints: 8, type: 20 },
  TensorProto: { dims: 1, dataType: 2, name: 8, rawData: 9, externalData: 13, dataLocation: 14 },
  StringStringEntryProto: { key: 1, value: 2 },
  ValueInfoProto: { name: 1, type: 2 },
  TypeProto: { tensorType: 1 },
  TensorTypeProto: { elemType: 1, shape: 2 },
  TensorShapeProto: { dim: 1 },
  DimensionProto: { dimValue: 1 },
} as const;
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;
const EXTERNAL = 1;

/**
 * @param location where onnxruntime shall look for a file, relative to the folder the session is told.
 * @returns the model's bytes: nodes and shapes, some hundred kilobytes for the largest network.
 */
export function encodeModel(graph: Graph, opset: number, location: (file: string) => string): Uint8Array {
  const writer = new BinaryWriter();
  const model = fields.ModelProto;
  writer.tag(model.irVersion, WireType.Varint).int64(IR_VERSION);
  writer.tag(model.producerName, WireType.LengthDelimited).string("if-gen");
  message(writer, model.graph, () => writeGraph(writer, graph, location));
  const hasInternal = graph.nodes.some((node) => domainOf(onnxForm(node).opType ?? node.op) === "com.ms.internal.nhwc");
  for (const [domain, version] of [
    ["", opset],
    ["com.microsoft", 1],
    ...(hasInternal ? [["com.ms.internal.nhwc", opset] as const] : []),
  ] as const) {
    message(writer, model.opsetImport, () => {
      writer.tag(fields.OperatorSetIdProto.domain, WireType.LengthDelimited).string(domain);
      writer.tag(fields.OperatorSetIdProto.version, WireType.Varint).int64(version);
    });
  }
  return writer.finish();
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function writeGraph(writer: BinaryWriter, graph: Graph, location: (file: string) => string): void {
  const proto = fields.GraphProto;
  const extra = new Map<string, readonly number[]>(); // static arguments that ONNX takes as tensors
  for (const nodes of inOne(graph.nodes)) message(writer, proto.node, () => writeNode(writer, nodes, extra));
  writer.tag(proto.name, WireType.LengthDelimited).string(graph.name);
  for (const weight of graph.fileWeights) {
    message(writer, proto.initializer, () => writeFileWeight(writer, weight, location(weight.file)));
  }
  for (const constant of graph.constants) message(writer, proto.initializer, () => writeConstant(writer, constant));
  for (const [name, numbers] of extra) {
    const value: Value = { name, dtype: "int64", shape: [numbers.length] };
    message(writer, proto.initializer, () =>
      writeConstant(writer, { value, data: BigInt64Array.from(numbers.map(BigInt)) }),
    );
  }
  for (const value of graph.inputs) message(writer, proto.input, () => writeValueInfo(writer, value));
  for (const value of graph.outputs) message(writer, proto.output, () => writeValueInfo(writer, value));
}

/** Nodes as they are written: those that give several results of one operation stand where the first of them does. */
function inOne(nodes: readonly Node[]): [Node, ...Node[]][] {
  const written: [Node, ...Node[]][] = [];
  const operations = new Map<string, [Node, ...Node[]]>();
  for (const node of nodes) {
    const key = operationOf(node);
    const others = key === undefined ? undefined : operations.get(key);
    if (others) {
      others.push(node);
      continue;
    }
    const outputs: [Node, ...Node[]] = [node];
    if (key !== undefined) operations.set(key, outputs);
    written.push(outputs);
  }
  return written;
}

/** @param others give the further outputs of the first one's operation. */
function writeNode(
  writer: BinaryWriter,
  [node, ...others]: [Node, ...Node[]],
  extra: Map<string, readonly number[]>,
): void {
  const proto = fields.NodeProto;
  const form = onnxForm(node, others);
  const given = form.inputs?.map((place) => node.inputs[place] ?? null) ?? node.inputs;
  const inputs = given.map((value) => value?.name ?? "");
  for (const [index, numbers] of form.extraInputs.entries()) {
    const name = numbers ? `${node.name}/static_${index}` : "";
    if (numbers) extra.set(name, numbers);
    inputs.push(name);
  }
  while (inputs.at(-1) === "") inputs.pop();
  for (const input of inputs) writer.tag(proto.input, WireType.LengthDelimited).string(input);
  const gaps = others.length > 0 ? Array.from({ length: form.outputGap ?? 0 }, () => "") : [];
  const outputs = [node.output.name, ...gaps, ...others.map(({ output }) => output.name)];
  for (const output of outputs) writer.tag(proto.output, WireType.LengthDelimited).string(output);
  writer.tag(proto.name, WireType.LengthDelimited).string(node.name);
  const named = form.opType ?? node.op;
  const domain = domainOf(named);
  const opType = domain ? named.slice(domain.length + 1) : named;
  writer.tag(proto.opType, WireType.LengthDelimited).string(opType);
  for (const [name, attribute] of Object.entries(form.attributes)) {
    message(writer, proto.attribute, () => writeAttribute(writer, name, attribute));
  }
  if (domain) writer.tag(proto.domain, WireType.LengthDelimited).string(domain);
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: Attribute): void {
  const proto = fields.AttributeProto;
  writer.tag(proto.name, WireType.LengthDelimited).string(name);
  if (attribute.kind === "int") writer.tag(proto.i, WireType.Varint).int64(attribute.value);
  else if (attribute.kind === "float") writer.tag(proto.f, WireType.Bit32).float(attribute.value);
  else if (attribute.kind === "string") writer.tag(proto.s, WireType.LengthDelimited).string(attribute.value);
  else for (const value of attribute.value) writer.tag(proto.ints, WireType.Varint).int64(value);
  writer.tag(proto.type, WireType.Varint).int32(attributeTypes[attribute.kind]);
}

function writeTensorHead(writer: BinaryWriter, { name, dtype, shape }: Value): void {
  const proto = fields.TensorProto;
  for (const side of shape) writer.tag(proto.dims, WireType.Varint).int64(side);
  writer.tag(proto.dataType, WireType.Varint).int32(dataTypeNumber(dtype));
  writer.tag(proto.name, WireType.LengthDelimited).string(name);
}

function writeConstant(writer: BinaryWriter, { value, data }: Constant): void {
  writeTensorHead(writer, value);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  writer.tag(fields.TensorProto.rawData, WireType.LengthDelimited).bytes(bytes);
}

function writeFileWeight(writer: BinaryWriter, weight: FileWeight, location: string): void {
  writeTensorHead(writer, weight.value);
  const entries = { location, offset: String(weight.offset), length: String(weight.byteLength) };
  for (const [key, value] of Object.entries(entries)) {
    message(writer, fields.TensorProto.externalData, () => {
      writer.tag(fields.StringStringEntryProto.key, WireType.LengthDelimited).string(key);
      writer.tag(fields.StringStringEntryProto.value, WireType.LengthDelimited).string(value);
    });
  }
  writer.tag(fields.TensorProto.dataLocation, WireType.Varint).int32(EXTERNAL);
}

function writeValueInfo(writer: BinaryWriter, { name, dtype, shape }: Value): void {
  writer.tag(fields.ValueInfoProto.name, WireType.LengthDelimited).string(name);
  message(writer, fields.ValueInfoProto.type, () =>
    message(writer, fields.TypeProto.tensorType, () => {
      writer.tag(fields.TensorTypeProto.elemType, WireType.Varint).int32(dataTypeNumber(dtype));
      message(writer, fields.TensorTypeProto.shape, () => {
        for (const side of shape) {
          message(writer, fields.TensorShapeProto.dim, () =>
            writer.tag(fields.DimensionProto.dimValue, WireType.Varint).int64(side),
          );
        }
      });
    }),
  );
}
