/**
 * @module cli/upscaler-options
 * `--upscaler esrgan --upscaler-model FILE`.
 */

import { type Command, Option } from "commander";
import { upscalerChoices } from "../plan/choices.ts";
import { once } from "./values.ts";

export function addUpscalerOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--upscaler <which>",
        "what ends the run: the x4 upscaler (default), an ESRGAN in its place, or both",
      ).choices(upscalerChoices),
    )
    .option(
      "--upscaler-model <file>",
      "an ESRGAN's weights, .safetensors: RealESRGAN_x4plus, 4x-UltraSharp, ...",
      once,
    );
}
