/**
 * @module cli/embeds-options
 * T5's embeddings as files: kept, or given in place of T5.
 */

import type { Command } from "commander";
import { once } from "./values.ts";

export interface EmbedsOptions {
  promptEmbeds?: string;
  saveEmbeds?: string;
}

export const addEmbedsOptions = (command: Command): Command =>
  command
    .option(
      "--prompt-embeds <file>",
      "T5's embeddings of the prompt and the negative prompt, a safetensors file: T5 is not needed then",
      once,
    )
    .option("--save-embeds <file>", "write T5's embeddings there, for --prompt-embeds", once);
