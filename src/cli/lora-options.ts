/**
 * @module cli/lora-options
 * LoRAs: for all networks that they fit, or for one stage's alone.
 */

import type { Command } from "commander";
import { diffusionTable } from "../plan/stages.ts";

export function addLoraOptions(command: Command): Command {
  command.option(
    "--lora <file[:weight]>",
    "merge a LoRA into the networks that it fits: pixel-art.safetensors:0.8; can be repeated",
    several,
  );
  for (const { name, label } of diffusionTable) {
    command.option(`--${name}-lora <file[:weight]>`, `the same for ${label} alone`, several);
  }
  return command;
}

const several = (text: string, before: readonly string[] = []): string[] => [...before, text];
