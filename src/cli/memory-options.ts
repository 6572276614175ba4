/**
 * @module cli/memory-options
 * How much memory a run may take, what it leaves to go on from, and the report of what it took.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../errors.ts";
import { parseBytes } from "../memory/bytes.ts";
import { type TextEncoderDevice, textEncoderDevices } from "../onnx/lower/provider-names.ts";
import type { Budgets } from "../run/settings.ts";
import { once } from "./values.ts";

/** Of commands that take memory. */
export interface BudgetOptions {
  ramBudget?: number;
  vramBudget?: number;
  budget?: "colab" | "machine";
}

export interface MemoryOptions extends BudgetOptions {
  textEncoderBits?: "8" | "4";
  textEncoderActivations?: "float32" | "int8";
  textEncoderDevice?: TextEncoderDevice;
  unetBits?: "16" | "8";
  report?: string;
  runDir?: string;
  resume?: boolean;
}

export function addBudgetOptions(command: Command): Command {
  return command
    .option("--ram-budget <size>", "memory a stage may take, e.g. 13GB (default: what is free, at most 13 GB)", bytes)
    .option("--vram-budget <size>", "GPU memory a stage may take (default: at most 15 GB)", bytes)
    .addOption(
      new Option(
        "--budget <whose>",
        "budgets of a free Colab machine, or all that this machine has free (default: the smaller)",
      ).choices(["colab", "machine"]),
    );
}

export function addMemoryOptions(command: Command): Command {
  return addBudgetOptions(command)
    .addOption(
      new Option(
        "--text-encoder-bits <bits>",
        "T5 in 8 bits: the model's own such file, or one made once from its weights (4.9 GB at full size); " +
          "in 4: always made, 2.9 GB, coarser",
      ).choices(["8", "4"]),
    )
    .addOption(
      new Option(
        "--text-encoder-activations <type>",
        "what T5's 8-bit weights are multiplied with: int8 is faster and coarser (default: float32)",
      ).choices(["float32", "int8"]),
    )
    .addOption(
      new Option(
        "--text-encoder-device <device>",
        "where T5 runs; gpu: on cuda, as it is or in 8 bits, with its weights in the GPU's memory (default: cpu)",
      ).choices(textEncoderDevices),
    )
    .addOption(
      new Option(
        "--unet-bits <bits>",
        "UNets in 8 bits: made once from their weights (4.6 GB for the largest), half the memory, a little coarser; " +
          "16: as the checkpoints have them (default: 16)",
      ).choices(["16", "8"]),
    )
    .option("--report <file.json>", "write what each stage was predicted to take and what it took", once)
    .option("--run-dir <folder>", "keep each finished stage there, so that --resume can go on after any end", once)
    .option("--resume", "go on with the run in --run-dir; its prompt and settings are kept there");
}

/** @throws {UsageError} `--resume` without a folder to resume. */
export function checkResume({ resume, runDir }: MemoryOptions): void {
  if (resume && runDir === undefined) {
    throw new UsageError("--resume needs --run-dir, the folder of the run to go on with.");
  }
}

/** @returns what goes on with a run that kept its stages, as a shell takes it: everything else is in the folder. */
export function resumeCommand(
  command: string,
  { runDir, output }: { runDir: string; output: string | undefined },
): string {
  const words = ["if-gen", command, "--run-dir", runDir, "--resume", ...(output === undefined ? [] : ["-o", output])];
  return words.map((word) => (/^[\w./@:+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
}

export const budgetsFrom = ({ ramBudget: ram, vramBudget: vram, budget }: MemoryOptions): Budgets => ({
  ram,
  vram,
  budget,
});

function bytes(text: string): number {
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
