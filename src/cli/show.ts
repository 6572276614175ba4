/**
 * @module cli/show
 * `if-gen show IMAGE`.
 */

import type { ProgramCommand } from "./command.ts";

export function defineShow(command: ProgramCommand): void {
  command
    .argument("<image>", "a PNG, JPEG, WebP, AVIF or TIFF file by if-gen, AUTOMATIC1111's web UI, ComfyUI or InvokeAI")
    .option("--json", "print it as JSON")
    .addExamples("if-gen show out.png", "if-gen show --json out.png > out.json")
    .action(async (image: string, options: { json?: boolean }) => {
      const { showImage } = await import("./show-image.ts");
      await showImage(image, options);
    });
}
