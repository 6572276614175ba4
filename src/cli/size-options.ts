/**
 * @module cli/size-options
 * The shape of what is drawn: of all stages, or of one.
 */

import type { Command } from "commander";
import type { DiffusionDescription } from "../plan/stages.ts";
import { aspectRatio, integer, size } from "./values.ts";

/** Of all stages. */
export const addSizeOptions = (command: Command): Command =>
  command
    .option(
      "--aspect-ratio <W:H>",
      "shape of what txt2img draws, up to 3:1 and 1:3: 3:2 (default: square)",
      aspectRatio,
    )
    .option("--size <WxH>", "the same in pixels of the last stage, whose short side is its own: 1536x1024", size);

/** Of one that draws pixels; other stages are left as they are. */
export function addStageSizeOptions(command: Command, { name, label, pixels }: DiffusionDescription): Command {
  if (!pixels) return command;
  return command
    .option(`--${name}-width <pixels>`, `of what txt2img's ${label} draws; later stages follow`, integer(8, 4096))
    .option(
      `--${name}-height <pixels>`,
      `likewise (default of one beside the other: the network's own side)`,
      integer(8, 4096),
    );
}
