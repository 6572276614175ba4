/**
 * @module cli/img2img
 * `if-gen img2img --image FILE PROMPT`.
 */

import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import { type CommonOptions, addCommonOptions, requestFrom } from "./options.ts";

interface Img2imgOptions extends CommonOptions {
  image?: string;
}

export function addImg2img(program: Command): void {
  const command = program
    .command("img2img")
    .description("redraw a picture as the text says, keeping its layout and shape")
    .argument("[prompt]", "what the picture becomes, in quotes")
    .option("-i, --image <file>", "the picture: JPEG, PNG, WebP, AVIF, TIFF or GIF, of any size");
  addCommonOptions(command, { startsFromPicture: true }).action(
    async (argument: string | undefined, options: Img2imgOptions) => {
      const picture = { image: imageFrom(options.image), pasteBack: false };
      const request = requestFrom("img2img", argument, options, picture);
      const { runRequest } = await import("./run.ts");
      await runRequest(request, options);
    },
  );
}

/** @throws {UsageError} no picture is given. */
export function imageFrom(image: string | undefined): string {
  if (image) return image;
  throw new UsageError("no picture is given; name one with --image, e.g. --image car.jpg.");
}
