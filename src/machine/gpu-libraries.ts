/**
 * @module machine/gpu-libraries
 * What lies between onnxruntime and a graphics card, by the names that Linux's loader knows.
 */

import { existsSync, readdirSync } from "node:fs";

/** What onnxruntime's CUDA provider is linked with, and the package that has it. Source: onnxruntime's CUDA page. */
export const cudaLibraries: Readonly<Record<string, string>> = {
  "libcudart.so.12": "CUDA 12",
  "libcublas.so.12": "CUDA 12",
  "libcublasLt.so.12": "CUDA 12",
  "libcufft.so.11": "CUDA 12",
  "libcurand.so.10": "CUDA 12",
  "libcudnn.so.9": "cuDNN 9",
};
export const driverLibrary = "libcuda.so.1";
export const vulkanLibrary = "libvulkan.so.1";

/** Has the kernel a device of NVIDIA's driver? A look at a folder: nothing is loaded. */
export function hasNvidiaDevice(folder = "/dev"): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => /^nvidia\d+$/.test(name));
}
