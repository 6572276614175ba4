/**
 * @module onnx/lower/provider-names
 * The execution providers' names, for whoever only lists them; what they can do: onnx/lower/providers.
 */

export const providerNames = ["cpu", "cuda", "webgpu"] as const;
export type ExecutionProvider = (typeof providerNames)[number];

/** The one that is everywhere. */
export const CPU: ExecutionProvider = "cpu";

/** Where T5 can be asked to run: on the GPU by the provider of the other stages. */
export const textEncoderDevices = ["cpu", "gpu"] as const;
export type TextEncoderDevice = (typeof textEncoderDevices)[number];
