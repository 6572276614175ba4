/**
 * @module cli/setup
 * `if-gen setup cuda`.
 */

import type { Command } from "commander";
import { StageError } from "../errors.ts";
import { say } from "./terminal.ts";

export function addSetup(program: Command): void {
  program
    .command("setup")
    .description("install what npm leaves out")
    .command("cuda")
    .description(
      "fetch onnxruntime's CUDA libraries with onnxruntime-node's own installer (a large download from NuGet)",
    )
    .action(setUpCuda);
}

/** @throws {StageError} they cannot be had: says why. Everything else works without them. */
async function setUpCuda(): Promise<void> {
  const { cudaPlatforms, installCuda, missingCudaLibraries } = await import("../executor/install-cuda.ts");
  const { readHardware } = await import("../machine/hardware.ts");
  const { platform } = readHardware();
  if (!cudaPlatforms.includes(platform)) {
    throw new StageError(
      `onnxruntime-node has CUDA libraries for ${cudaPlatforms.join(", ")} only, and this is ${platform}; ${otherwise}`,
    );
  }
  if (missingCudaLibraries().length === 0) {
    say("onnxruntime's CUDA libraries are installed already; if-gen doctor says whether they work.\n");
    return;
  }
  const reason = await installCuda((text) => say(text));
  if (reason !== undefined) {
    throw new StageError(
      `onnxruntime's CUDA libraries cannot be installed: ${reason.replace(/\.$/, "")}; ${otherwise}`,
    );
  }
  say("installed onnxruntime's CUDA libraries; if-gen doctor says whether they work.\n");
}

const otherwise = "if-gen works without them, on webgpu or the CPU.";
