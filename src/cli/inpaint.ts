/**
 * @module cli/inpaint
 * `if-gen inpaint --image FILE --mask FILE PROMPT`.
 */

import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import type { MaskRequest, MaskShape } from "../plan/request.ts";
import { imageFrom } from "./img2img.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { shape } from "./values.ts";

interface InpaintOptions extends CommonOptions {
  image?: string;
  mask?: string;
  maskRect?: MaskShape[];
  maskEllipse?: MaskShape[];
  invertMask?: boolean;
  pasteBack: boolean;
}

export function addInpaint(program: Command): void {
  const command = program
    .command("inpaint")
    .description("repaint a part of an image as the text says")
    .argument("[prompt]", "what the image shows then, in quotes")
    .option("-i, --image <file>", "the image: JPEG, PNG, WebP, AVIF, TIFF or GIF, of any size")
    .option("--mask <file>", "an image whose white is repainted; it is fitted to the image")
    .option(
      "--mask-rect <x,y,w,h>",
      "repaint this rectangle, in pixels of the image; may be repeated",
      shape("rectangle"),
    )
    .option("--mask-ellipse <x,y,w,h>", "repaint the ellipse in this rectangle; may be repeated", shape("ellipse"))
    .option("--invert-mask", "repaint all but the mask")
    .option("--no-paste-back", "do not put the original's untouched pixels back over the result");
  addCommonOptions(command, { startsFromImage: true }).action(
    async (prompt: string | undefined, options: InpaintOptions) => {
      const { runCommand } = await import("./run.ts");
      await runCommand("inpaint", prompt, options, () => ({
        image: imageFrom(options.image),
        mask: maskFrom(options),
        pasteBack: options.pasteBack,
      }));
    },
  );
}

function maskFrom({ mask, maskRect = [], maskEllipse = [], invertMask = false }: InpaintOptions): MaskRequest {
  const shapes = [...maskRect, ...maskEllipse];
  if (!mask && shapes.length === 0) {
    throw new UsageError("nothing says what to repaint; give --mask, --mask-rect or --mask-ellipse.");
  }
  return { ...(mask ? { file: mask } : {}), shapes, invert: invertMask };
}
