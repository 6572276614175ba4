/**
 * @module cli/preview-options
 * The options that show, or keep, what the steps of a run predict.
 */

import { type Command, Option } from "commander";
import { type GraphicsProtocol, graphicsProtocols, terminalGraphics } from "../machine/terminal-graphics.ts";
import { integer, once } from "./values.ts";

export interface PreviewOptions {
  preview?: GraphicsProtocol | "auto";
  previewEvery: number;
  saveSteps?: string;
  saveLatents?: string;
}

export function addPreviewOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--preview [how]",
        "show the image while stages 1 and 2 draw it (default: not; auto if no way is named)",
      )
        .choices(["auto", ...graphicsProtocols])
        .preset("auto"),
    )
    .option("--preview-every <steps>", "show it after every so many steps", integer(1, 1000), 5)
    .option("--save-steps <folder>", "write what each step of stages 1 and 2 predicts the image to be, as PNG", once)
    .option("--save-latents <folder>", "write the sample after each step of each stage, as safetensors", once);
}

/** How previews are shown; undefined: not at all, as in a pipe. */
export interface PreviewSettings {
  readonly protocol: GraphicsProtocol;
  readonly every: number;
}

export function previewSettings(
  { preview, previewEvery }: Pick<PreviewOptions, "preview" | "previewEvery">,
  { isTTY }: { readonly isTTY?: boolean },
): PreviewSettings | undefined {
  if (preview === undefined || !isTTY) return undefined;
  return { protocol: preview === "auto" ? terminalGraphics() : preview, every: previewEvery };
}
