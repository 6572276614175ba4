/**
 * @module weights/dtype
 * The element types of safetensors files: names, sizes and the typed arrays that hold them.
 *
 * float16 and bfloat16 have no typed array in Node 20, so their bits lie in a Uint16Array; a BOOL is one byte, 0 or 1.
 * All numbers in a file are little-endian, as on every machine Node runs on, so bytes are taken as they are.
 * Source: the safetensors format description (huggingface/safetensors README, "Format").
 */

/** Bytes per element, in the order of the reference library's Dtype: its writer puts the last ones first. */
const bytesPerElement = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

const arrays = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
} as const;

export type Dtype = keyof typeof bytesPerElement;

/** Which typed array holds which type. */
type DataOf = { readonly [D in Dtype]: InstanceType<(typeof arrays)[D]> };

export type TensorData = DataOf[Dtype];

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(bytesPerElement, name);
}

export function dtypeBytes(dtype: Dtype): number {
  return bytesPerElement[dtype];
}

/** @returns negative when the reference library writes `a` before `b`: 8-byte types first, BOOL last. */
export function compareDtypes(a: Dtype, b: Dtype): number {
  const order = Object.keys(bytesPerElement);
  return order.indexOf(b) - order.indexOf(a);
}

/** Is this the array class that holds elements of `dtype`? */
export function holdsDtype(data: TensorData, dtype: Dtype): boolean {
  return data instanceof arrays[dtype];
}

/** @returns the buffer seen as elements of `dtype`; its length must be a multiple of their size. */
export function typedArray(dtype: Dtype, buffer: ArrayBuffer): TensorData {
  return new arrays[dtype](buffer);
}
