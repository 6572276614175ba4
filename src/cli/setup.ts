/**
 * @module cli/setup
 * `if-gen setup cuda`.
 */

import { Option } from "commander";
import { IfGenError } from "../errors.ts";
import type { ProgramCommand } from "./command.ts";
import { say } from "./terminal.ts";

/** Measured on the packages of onnxruntime 1.29 and 1.30: fetched, and beside onnxruntime once unpacked. */
const size =
  "about 300 MB to fetch, as much again in the temporary folder while it is unpacked, and about 275 MB to keep";

export function defineSetup(setup: ProgramCommand): void {
  setup
    .command("cuda")
    .description(`install onnxruntime's CUDA provider (${size})`)
    .addOption(
      new Option(
        "--from <folder or archive>",
        "take it from here, without a network: a folder, a wheel of onnxruntime-gpu, NuGet's .nupkg, a .tgz, .tar or .zip",
      ),
    )
    .addHelpText(
      "after",
      "\nBy default onnxruntime-node's own installer fetches NuGet's\n" +
        "Microsoft.ML.OnnxRuntime.Gpu.Linux of the version of onnxruntime-node.\n" +
        "A provider of another version is refused: the process would crash.\n" +
        "Exit codes: 0 installed, 2 --from is not there, 6 it cannot be written,\n" +
        "9 it cannot be had or does not fit.",
    )
    .action(setUpCuda);
}

/**
 * @throws {UsageError} `--from` is not there or of no kind that is read.
 * @throws {OutputError} the libraries cannot be written.
 * @throws {IfGenError} PROVIDER: they cannot be had or do not fit: says why. Everything else works without them.
 */
async function setUpCuda({ from }: { from?: string }): Promise<void> {
  const { cudaPlatforms, installCuda, installCudaFrom, isCudaInstalled } = await import("../executor/install-cuda.ts");
  const { binariesFolder, onnxruntimeVersion } = await import("../executor/provider-files.ts");
  const { readHardware } = await import("../machine/hardware.ts");
  const { platform } = readHardware();
  if (!cudaPlatforms.includes(platform)) {
    throw unavailable(`exists for ${cudaPlatforms.join(", ")} only, and this is ${platform}`);
  }
  const version = onnxruntimeVersion();
  if (from !== undefined) {
    await installCudaFrom(from);
  } else if (isCudaInstalled()) {
    say(`onnxruntime ${version}'s CUDA provider is installed already, in ${binariesFolder}.\n`);
  } else {
    say(`fetching onnxruntime ${version}'s CUDA provider from NuGet: ${size}; it goes to ${binariesFolder}\n`);
    const reason = await installCuda((text) => say(text));
    if (reason !== undefined) {
      throw unavailable(`cannot be installed: ${reason.replace(/\.$/, "")}; with a file that you have: --from FILE`);
    }
  }
  await sayInstalled();
}

/** Which CUDA it wants is read from it, whatever its package is called. */
async function sayInstalled(): Promise<void> {
  const { linkedLibraries, onnxruntimeVersion } = await import("../executor/provider-files.ts");
  const { describeMissing } = await import("../run/machine-probes.ts");
  const { providers } = await import("../onnx/lower/providers.ts");
  const { major, missing = [] } = linkedLibraries(providers.cuda.requirements) ?? {};
  say(
    `the CUDA provider of onnxruntime ${onnxruntimeVersion()} is installed; it is made for CUDA ${major ?? "?"} and cuDNN 9.\n`,
  );
  if (missing.length > 0) say(`note: ${describeMissing(missing, major)}.\n`);
  say("if-gen doctor says whether it works.\n");
}

const unavailable = (reason: string): IfGenError =>
  new IfGenError("PROVIDER", `onnxruntime's CUDA provider ${reason}; if-gen works without it, on webgpu or the CPU.`);
