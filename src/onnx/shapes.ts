/**
 * @module onnx/shapes
 * What type and shape each operation gives: one rule per operation, for the networks' vocabulary (onnx/ops.ts) and for
 * what lowering makes of it. A rule refuses inputs that do not fit; the builder adds the name of the layer.
 */

import { ShapeError } from "../errors.ts";
import type { Attributes, DType, Value } from "./graph.ts";

type Shape = readonly number[];
type Kind = { readonly dtype: DType; readonly shape: Shape };
type Rule = (inputs: readonly Value[], attributes: Attributes, optional: readonly (Value | null)[]) => Kind;

/** @throws {ShapeError} the operation is unknown or its inputs do not fit. */
export function inferOutput(op: string, inputs: readonly (Value | null)[], attributes: Attributes): Kind {
  const rule = rules[op];
  if (!rule) throw new ShapeError(`no shape rule for the operation ${op}`);
  return rule(
    inputs.filter((input) => input !== null),
    attributes,
    inputs,
  );
}

/** NumPy's rule: sides are equal, or one of them is 1; missing leading sides are 1. */
export function broadcast(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new ShapeError(`[${a.join(", ")}] and [${b.join(", ")}] do not broadcast`);
    }
    return left === 1 ? right : left;
  });
}

export function intOf(attributes: Attributes, name: string): number {
  const attribute = attributes[name];
  if (attribute?.kind !== "int") throw new ShapeError(`the attribute ${name} is not an integer`);
  return attribute.value;
}

export function intsOf(attributes: Attributes, name: string): readonly number[] {
  const attribute = attributes[name];
  if (attribute?.kind !== "ints") throw new ShapeError(`the attribute ${name} is not a list of integers`);
  return attribute.value;
}

export function floatOf(attributes: Attributes, name: string): number {
  const attribute = attributes[name];
  if (attribute?.kind !== "float") throw new ShapeError(`the attribute ${name} is not a number`);
  return attribute.value;
}

export function textOf(attributes: Attributes, name: string): string {
  const attribute = attributes[name];
  if (attribute?.kind !== "string") throw new ShapeError(`the attribute ${name} is not a text`);
  return attribute.value;
}

const count = (shape: Shape): number => shape.reduce((product, side) => product * side, 1);
const show = (shape: Shape): string => `[${shape.join(", ")}]`;

function input(inputs: readonly Value[], index: number): Value {
  const value = inputs[index];
  if (!value) throw new ShapeError(`input ${index} is missing`);
  return value;
}

function expectShape(value: Value, ...allowed: Shape[]): void {
  if (!allowed.some((shape) => show(shape) === show(value.shape))) {
    throw new ShapeError(`${value.name} is ${show(value.shape)}, expected ${allowed.map(show).join(" or ")}`);
  }
}

const same: Rule = (inputs) => {
  const x = input(inputs, 0);
  return { dtype: x.dtype, shape: x.shape };
};

const elementwise: Rule = (inputs) => {
  const [a, b] = [input(inputs, 0), input(inputs, 1)];
  if (a.dtype !== b.dtype) throw new ShapeError(`${a.name} is ${a.dtype}, ${b.name} is ${b.dtype}`);
  return { dtype: a.dtype, shape: broadcast(a.shape, b.shape) };
};

const reshape: Rule = (inputs, attributes) => {
  const x = input(inputs, 0);
  const requested = intsOf(attributes, "shape");
  const knownCount = count(requested.filter((side) => side !== -1));
  const shape = requested.map((side) => (side === -1 ? count(x.shape) / knownCount : side));
  if (count(shape) !== count(x.shape) || !shape.every(Number.isInteger)) {
    throw new ShapeError(`${show(x.shape)} cannot be reshaped to ${show(requested)}`);
  }
  return { dtype: x.dtype, shape };
};

const transpose: Rule = (inputs, attributes) => {
  const x = input(inputs, 0);
  const perm = intsOf(attributes, "perm");
  if (show([...perm].sort((a, b) => a - b)) !== show(x.shape.map((_, axis) => axis))) {
    throw new ShapeError(`${show(perm)} does not permute the axes of ${show(x.shape)}`);
  }
  return { dtype: x.dtype, shape: perm.map((axis) => x.shape[axis] ?? 0) };
};

const turned =
  (...perm: number[]): Rule =>
  (inputs) => {
    const { dtype, shape } = input(inputs, 0);
    if (shape.length !== 4) throw new ShapeError(`${show(shape)} is no feature map`);
    return { dtype, shape: perm.map((axis) => shape[axis] ?? 0) };
  };

const concat: Rule = (inputs, attributes) => {
  const first = input(inputs, 0);
  const axis = intOf(attributes, "axis");
  for (const other of inputs) {
    const fits = other.shape.every((side, at) => at === axis || side === first.shape[at]);
    if (!fits || other.shape.length !== first.shape.length || other.dtype !== first.dtype) {
      throw new ShapeError(`${show(first.shape)} and ${show(other.shape)} cannot be joined along axis ${axis}`);
    }
  }
  const total = inputs.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0);
  return { dtype: first.dtype, shape: first.shape.map((side, at) => (at === axis ? total : side)) };
};

const slice: Rule = (inputs, attributes) => {
  const x = input(inputs, 0);
  const [axis, start, end] = [intOf(attributes, "axis"), intOf(attributes, "start"), intOf(attributes, "end")];
  const side = x.shape[axis] ?? 0;
  if (start < 0 || end > side || start >= end) {
    throw new ShapeError(`${start}:${end} is not inside axis ${axis} of ${show(x.shape)}`);
  }
  return { dtype: x.dtype, shape: x.shape.map((old, at) => (at === axis ? end - start : old)) };
};

const repeatBatch: Rule = (inputs, attributes) => {
  const { dtype, shape } = input(inputs, 0);
  return { dtype, shape: [(shape[0] ?? 0) * intOf(attributes, "times"), ...shape.slice(1)] };
};

const expand: Rule = (inputs, attributes) => {
  const x = input(inputs, 0);
  return { dtype: x.dtype, shape: broadcast(x.shape, intsOf(attributes, "shape")) };
};

const gather: Rule = (inputs, attributes) => {
  const [x, indices] = [input(inputs, 0), input(inputs, 1)];
  const axis = attributes["axis"] ? intOf(attributes, "axis") : 0;
  return { dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] };
};

const matMul: Rule = (inputs) => {
  const [a, b] = [input(inputs, 0), input(inputs, 1)];
  const [m, k] = a.shape.slice(-2);
  const [k2, n] = b.shape.slice(-2);
  if (m === undefined || k === undefined || n === undefined || k !== k2) {
    throw new ShapeError(`${show(a.shape)} · ${show(b.shape)}: inner sides differ`);
  }
  return { dtype: a.dtype, shape: [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n] };
};

const linear: Rule = (inputs) => {
  const [x, weight] = [input(inputs, 0), input(inputs, 1)];
  const [features, inner] = weight.shape;
  if (weight.shape.length !== 2 || features === undefined || inner !== x.shape.at(-1)) {
    throw new ShapeError(`${show(x.shape)} does not fit the weight ${weight.name} ${show(weight.shape)}`);
  }
  if (inputs[2]) expectShape(inputs[2], [features]);
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), features] };
};

/** ONNX Gemm with transB=1 and, here, always rank 2. */
const gemm: Rule = (inputs, attributes, optional) => {
  const x = input(inputs, 0);
  if (x.shape.length !== 2) throw new ShapeError(`${x.name} has rank ${x.shape.length}, Gemm takes 2`);
  return linear(inputs, attributes, optional);
};

const conv: Rule = (inputs, attributes) => {
  const [x, weight] = [input(inputs, 0), input(inputs, 1)];
  const [batch, channels, height, width] = x.shape;
  const [outChannels, inChannels, kernelHeight, kernelWidth] = weight.shape;
  const groups = attributes["group"] ? intOf(attributes, "group") : 1;
  const fits = channels === groups * (inChannels ?? 0) && (outChannels ?? 0) % groups === 0;
  if (x.shape.length !== 4 || weight.shape.length !== 4 || !fits) {
    throw new ShapeError(`${show(x.shape)} does not fit the kernel ${weight.name} ${show(weight.shape)}`);
  }
  if (inputs[2]) expectShape(inputs[2], [outChannels ?? 0]);
  const [top = 0, left = 0, bottom = 0, right = 0] = intsOf(attributes, "pads");
  const [strideY = 1, strideX = 1] = attributes["strides"] ? intsOf(attributes, "strides") : [];
  const [dilationY = 1, dilationX = 1] = attributes["dilations"] ? intsOf(attributes, "dilations") : [];
  const reachY = dilationY * ((kernelHeight ?? 0) - 1) + 1;
  const reachX = dilationX * ((kernelWidth ?? 0) - 1) + 1;
  const outHeight = Math.floor(((height ?? 0) + top + bottom - reachY) / strideY) + 1;
  const outWidth = Math.floor(((width ?? 0) + left + right - reachX) / strideX) + 1;
  return { dtype: x.dtype, shape: [batch ?? 0, outChannels ?? 0, outHeight, outWidth] };
};

const averagePool: Rule = (inputs, attributes) => {
  const x = input(inputs, 0);
  const kernel = intsOf(attributes, "kernel_shape");
  const strides = intsOf(attributes, "strides");
  const sides = x.shape.slice(2).map((side, at) => Math.floor((side - (kernel[at] ?? 1)) / (strides[at] ?? 1)) + 1);
  return { dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...sides] };
};

const upsample: Rule = (inputs, attributes) => {
  const x = input(inputs, 0);
  return { dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...intsOf(attributes, "size")] };
};

const groupNorm: Rule = (inputs, attributes) => {
  const [x, weight, bias] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)];
  const [batch = 0, channels = 0] = x.shape;
  if (x.shape.length < 3 || channels % intOf(attributes, "groups") !== 0) {
    throw new ShapeError(`${show(x.shape)} does not split into ${intOf(attributes, "groups")} groups of channels`);
  }
  expectShape(weight, [channels], [batch, channels], [batch, 1, 1, channels]);
  expectShape(bias, weight.shape);
  return { dtype: x.dtype, shape: x.shape };
};

const channelsFirst = ({ name, dtype, shape: [batch = 0, ...rest] }: Value): Value => ({
  name,
  dtype,
  shape: [batch, rest.at(-1) ?? 0, ...rest.slice(0, -1)],
});

/** The same rule for (B, H, W, C), or (B, N, C): the first input and the output lie channels-last. */
const channelsLast =
  (rule: Rule): Rule =>
  (inputs, attributes, optional) => {
    const [x, ...others] = [input(inputs, 0), ...inputs.slice(1)];
    if (x.shape.length < 3) throw new ShapeError(`${show(x.shape)} is no feature map`);
    const first = channelsFirst(x);
    const { dtype, shape } = rule([first, ...others], attributes, [first, ...optional.slice(1)]);
    const [batch = 0, channels = 0, ...sides] = shape;
    return { dtype, shape: [batch, ...sides, channels] };
  };

/** Feature map (B, ..., C), weight and bias (C) float32, then what is added first: a feature map or (B, C), and a bias (C). */
const skipGroupNorm: Rule = (inputs, attributes, optional) => {
  const [x, skip, bias] = [input(inputs, 0), optional[3], optional[4]];
  const [batch = 0, channels = 0] = [x.shape[0], x.shape.at(-1)];
  if (skip) expectShape(skip, x.shape, [batch, channels]);
  if (bias) expectShape(bias, [channels]);
  return channelsLast(groupNorm)(inputs.slice(0, 3), attributes, optional.slice(0, 3));
};

/** a + b or, of the weights of a convolution, a + b + bias, in the shape of the first. */
const sumWithBias: Rule = (inputs) => {
  const [x, ...others] = [input(inputs, 0), ...inputs.slice(1)];
  for (const other of others) broadcast(x.shape, other.shape);
  return { dtype: x.dtype, shape: x.shape };
};

/** a · bᵀ where the second one's axes are exchanged: (..., K), (N, K) -> (..., N), or (A, M, K), (A, N, K) -> (A, M, N). */
const fusedMatMul: Rule = (inputs) => {
  const [a, b] = [input(inputs, 0), input(inputs, 1)];
  const [features = 0, inner] = b.shape.slice(-2);
  const stacks = b.shape.slice(0, -2);
  if (
    b.shape.length < 2 ||
    inner !== a.shape.at(-1) ||
    (stacks.length > 0 && stacks.join() !== a.shape.slice(0, -2).join())
  ) {
    throw new ShapeError(`${show(a.shape)} does not fit the weight ${b.name} ${show(b.shape)}`);
  }
  return { dtype: a.dtype, shape: [...a.shape.slice(0, -1), features] };
};

/** xᵀ·x of each matrix of a batch: (B, L, C) -> (B, C, C). */
const gramMatrix: Rule = (inputs) => {
  const { dtype, shape } = input(inputs, 0);
  const [batch = 0, , channels = 0] = shape;
  return { dtype, shape: [batch, channels, channels] };
};

/** Some rows of a linear layer's weight: its features from one to before another. */
const linearRows: Rule = (inputs, attributes, optional) => {
  const { dtype, shape } = linear(inputs, attributes, optional);
  return { dtype, shape: [...shape.slice(0, -1), intOf(attributes, "to") - intOf(attributes, "from")] };
};

/** x, then weights of one shape, then a bias for each: in `stacks` groups, one for each of x's first axis if there are several. */
const joinedLinear: Rule = (inputs, attributes) => {
  const [x, weight] = [input(inputs, 0), input(inputs, 1)];
  const [count, stacks] = [(inputs.length - 1) / 2, intOf(attributes, "stacks")];
  const [features = 0, inner] = weight.shape;
  if (inner !== x.shape.at(-1) || count % stacks !== 0 || (stacks > 1 && x.shape[0] !== stacks)) {
    throw new ShapeError(`${show(x.shape)} does not fit ${count} weights ${show(weight.shape)} in ${stacks} stacks`);
  }
  for (let at = 0; at < count; at++) {
    expectShape(input(inputs, 1 + at), weight.shape);
    expectShape(input(inputs, 1 + count + at), [features]);
  }
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), (features * count) / stacks] };
};

/** The kernel too lies channels-last: (O, h, w, C). */
const convOfKernelChannelsLast: Rule = (inputs, attributes, optional) => {
  const [x, kernel, ...others] = [input(inputs, 0), channelsFirst(input(inputs, 1)), ...inputs.slice(2)];
  return channelsLast(conv)([x, kernel, ...others], attributes, [x, kernel, ...optional.slice(2)]);
};

const instanceNormalization: Rule = (inputs) => {
  const x = input(inputs, 0);
  expectShape(input(inputs, 1), [x.shape[1] ?? 0]);
  expectShape(input(inputs, 2), [x.shape[1] ?? 0]);
  return { dtype: x.dtype, shape: x.shape };
};

/** Scale, shift, mean and variance, one number per channel each. */
const batchNormalization: Rule = (inputs) => {
  const x = input(inputs, 0);
  for (let at = 1; at <= 4; at++) expectShape(input(inputs, at), [x.shape[1] ?? 0]);
  return { dtype: x.dtype, shape: x.shape };
};

/** Every input after the first is a vector over the last axis. */
const lastAxisNorm: Rule = (inputs) => {
  const x = input(inputs, 0);
  for (const vector of inputs.slice(1)) expectShape(vector, [x.shape.at(-1) ?? 0]);
  return { dtype: x.dtype, shape: x.shape };
};

const attention =
  (headsAttribute: string, biasIndex: number): Rule =>
  (inputs, attributes, optional) => {
    const [q, k, v] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)];
    const heads = intOf(attributes, headsAttribute);
    const [batch = 0, queries = 0, width = 0] = q.shape;
    const [, keys = 0] = k.shape;
    const valueWidth = v.shape[2] ?? 0;
    expectShape(k, [batch, keys, width]);
    expectShape(v, [batch, keys, valueWidth]);
    if (q.shape.length !== 3 || width % heads !== 0 || valueWidth % heads !== 0) {
      throw new ShapeError(`${show(q.shape)} does not split into ${heads} heads`);
    }
    const bias = optional[biasIndex];
    if (bias) {
      const full = [batch, heads, queries, keys];
      if (show(broadcast(bias.shape, full)) !== show(full)) {
        throw new ShapeError(`the bias ${show(bias.shape)} does not broadcast to ${show(full)}`);
      }
    }
    return { dtype: q.dtype, shape: [batch, queries, valueWidth] };
  };

const cast: Rule = (inputs, attributes) => ({
  dtype: textOf(attributes, "to") as DType,
  shape: input(inputs, 0).shape,
});

/** One scale and zero point per row. */
const quantizeLinear: Rule = (inputs) => {
  const [x, scale, zeroPoint] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)];
  expectShape(scale, x.shape.slice(0, 1));
  expectShape(zeroPoint, scale.shape);
  return { dtype: zeroPoint.dtype, shape: x.shape };
};

const matMulInteger: Rule = (inputs, attributes, optional) => ({
  dtype: "int32",
  shape: matMul(inputs.slice(0, 2), attributes, optional).shape,
});

/** x (..., K) times blocks (N, blocks, block size · bits / 8) with scales (N, blocks), plus a bias (N) as input 5. */
const matMulNBits: Rule = (inputs, attributes, optional) => {
  const [x, weight, scales, bias] = [input(inputs, 0), input(inputs, 1), input(inputs, 2), optional[5]];
  const [rows, columns, block] = [intOf(attributes, "N"), intOf(attributes, "K"), intOf(attributes, "block_size")];
  const blocks = Math.ceil(columns / block);
  expectShape(weight, [rows, blocks, (block * intOf(attributes, "bits")) / 8]);
  expectShape(scales, [rows, blocks]);
  if (bias) expectShape(bias, [rows]);
  if (x.shape.at(-1) !== columns)
    throw new ShapeError(`${show(x.shape)} does not fit ${weight.name} of ${columns} columns`);
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), rows] };
};

/** Over `axis`, which goes; without that attribute over the last one, which stays with length 1. */
const reduce: Rule = (inputs, attributes, optional) => {
  if (!attributes["axis"]) return reduceLast(inputs, attributes, optional);
  const x = input(inputs, 0);
  return { dtype: x.dtype, shape: x.shape.toSpliced(intOf(attributes, "axis"), 1) };
};

const dequantizeLinear: Rule = (inputs) => ({ dtype: input(inputs, 1).dtype, shape: input(inputs, 0).shape });

/** Over the last axis, which stays with length 1. */
const reduceLast: Rule = (inputs) => {
  const x = input(inputs, 0);
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] };
};

/** Over the last axis, which goes. */
const withoutLast: Rule = (inputs) => {
  const x = input(inputs, 0);
  return { dtype: x.dtype, shape: x.shape.slice(0, -1) };
};

const rules: Readonly<Record<string, Rule>> = {
  Identity: same,
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Sqrt: same,
  Sin: same,
  Cos: same,
  Tanh: same,
  Sigmoid: same,
  Silu: same,
  Gelu: same,
  LeakyRelu: same,
  Softmax: same,
  ReduceMean: reduce,
  Abs: same,
  Reshape: reshape,
  Transpose: transpose,
  ToChannelsFirst: turned(0, 3, 1, 2),
  ToChannelsLast: turned(0, 2, 3, 1),
  Concat: concat,
  Slice: slice,
  Part: slice,
  Expand: expand,
  RepeatBatch: repeatBatch,
  Gather: gather,
  Embedding: gather,
  Cast: cast,
  MatMul: matMul,
  Linear: linear,
  Conv: conv,
  AveragePool: averagePool,
  UpsampleNearest: upsample,
  GroupNorm: groupNorm,
  LayerNorm: lastAxisNorm,
  RmsNorm: lastAxisNorm,
  Attention: attention("heads", 3),
  // feature maps channels-last, and operations taken together: between a lowering's passes
  ConvNhwc: channelsLast(conv),
  ConvInPhases: channelsLast(conv),
  AveragePoolNhwc: channelsLast(averagePool),
  UpsampleNearestNhwc: channelsLast(upsample),
  GroupNormNhwc: skipGroupNorm,
  SkipGroupSum: same, // the former's other result
  SumWithBias: sumWithBias,
  LinearRows: linearRows,
  JoinedLinear: joinedLinear,
  BiasSum: elementwise,
  // what lowering makes of the larger ones
  Gemm: gemm,
  InstanceNormalization: instanceNormalization,
  BatchNormalization: batchNormalization,
  LayerNormalization: lastAxisNorm,
  RMSNormalization: lastAxisNorm,
  SimplifiedLayerNormalization: lastAxisNorm,
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
  ReduceMax: withoutLast,
  ReduceSum: reduce,
  ReduceL2: reduce,
  ReduceSumSquare: reduce,
  MatMulInteger: matMulInteger,
  Resize: upsample,
  "com.microsoft.QuickGelu": same,
  "com.microsoft.SkipLayerNormalization": same,
  SkipSum: elementwise, // the former's other result
  "com.microsoft.MatMulNBits": matMulNBits,
  "com.microsoft.FusedMatMul": fusedMatMul,
  GramMatrix: gramMatrix,
  "com.microsoft.BiasAdd": sumWithBias,
  "com.microsoft.BiasGelu": sumWithBias,
  "com.microsoft.GroupNorm": skipGroupNorm,
  "com.microsoft.SkipGroupNorm": skipGroupNorm,
  ConvOfKernelLast: convOfKernelChannelsLast,
  "com.ms.internal.nhwc.Conv": channelsLast(conv),
  "com.ms.internal.nhwc.AveragePool": channelsLast(averagePool),
  "com.microsoft.MultiHeadAttention": attention("num_heads", 5),
};
