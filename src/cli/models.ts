/**
 * @module cli/models
 * `if-gen models ...`: what there is, what is here, fetch it, check it, remove it.
 */

import { Option } from "commander";
import { type Side, sides } from "../plan/stages.ts";
import type { ProgramCommand } from "./command.ts";
import { side } from "./values.ts";

/** What the commands about models share. */
export interface ModelsOptions {
  modelsFile?: string;
  json?: boolean;
  variant?: "fp32" | "fp16" | "8bit";
}

export interface PullCommandOptions extends ModelsOptions {
  revision?: string;
  dryRun?: boolean;
  quiet?: boolean;
  tokenStdin?: boolean;
  until: Side;
}

export function defineModels(models: ProgramCommand): void {
  addCommand(models, "list", "what there is, how large it is, what of it is here, and whether it fits this machine")
    .addOption(variantOption())
    .option("--json", "print it as JSON")
    .action(async (options: ModelsOptions) => (await import("./models/list.ts")).listModels(options));
  addCommand(models, "show <name>", "a model's repositories, licence, needs and files")
    .addOption(variantOption())
    .option("--words", "print the words that it knows, one a line, where it says so: the demo does")
    .option("--json", "print it as JSON")
    .action(async (name: string, options: ModelsOptions & { words?: boolean }) =>
      (await import("./models/show.ts")).showModel(name, options),
    );
  addPull(models);
  addCommand(models, "verify <name>", "read every byte of a model's files and compare it with the Hub's hashes")
    .option("--remove-damaged", "remove the files that fail, so that the next pull fetches them")
    .option("--json", "print it as JSON")
    .action(async (name: string, options: ModelsOptions & { removeDamaged?: boolean }) =>
      (await import("./models/verify.ts")).verifyModel(name, options),
    );
  addCommand(models, "path <name>", "the folders of a model's three stages")
    .addOption(variantOption())
    .option("--json", "print it as JSON")
    .action(async (name: string, options: ModelsOptions) =>
      (await import("./models/path.ts")).printPaths(name, options),
    );
  addCommand(models, "rm <name>", "remove a model's repositories from the cache; those that other models use stay")
    .option("-y, --yes", "do not ask")
    .action(async (name: string, options: ModelsOptions & { yes?: boolean }) =>
      (await import("./models/rm.ts")).removeModel(name, options),
    );
}

function addPull(models: ProgramCommand): void {
  addCommand(models, "pull <name>", "fetch what is missing of a model, check it, and pin what was fetched")
    .addOption(variantOption())
    .option(
      "--revision <revision>",
      "branch, tag or commit for all its repositories, asked for anew (default: what is pinned)",
    )
    .option("--until <pixels>", `only the stages that an image of ${sides.join(", ")} pixels needs`, side, sides.at(-1))
    .option("--dry-run", "print the files and how much is missing, and end")
    .option("--token-stdin", "read the Hub's token from standard input, for this command alone")
    .option("-q, --quiet", "print nothing but errors")
    .option("--json", "print the result as JSON")
    .action(async (name: string, options: PullCommandOptions) =>
      (await import("./models/pull.ts")).pullModel(name, options),
    );
}

function addCommand(models: ProgramCommand, nameAndArgument: string, description: string): ProgramCommand {
  return models
    .command(nameAndArgument)
    .description(description)
    .option("--models-file <file>", "more entries, in the form of models.json");
}

function variantOption(): Option {
  return new Option("--variant <variant>", "which weight files (default: the smallest that each network has)").choices([
    "fp32",
    "fp16",
    "8bit",
  ]);
}
