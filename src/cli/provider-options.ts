/**
 * @module cli/provider-options
 * The options that say where the networks run.
 */

import { type Command, Option } from "commander";
import { integer } from "./values.ts";
import { type RequestedProvider, requestedProviders } from "../plan/choices.ts";

export interface ProviderOptions {
  executionProvider: RequestedProvider;
  deviceId?: number;
}

export function addProviderOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--execution-provider <name>",
        "what computes; auto: the first of cuda, webgpu and cpu that works here",
      )
        .choices(requestedProviders)
        .default("auto"),
    )
    .option("--device-id <index>", "which NVIDIA GPU cuda takes (default: the first, 0)", integer(0, 255));
}
