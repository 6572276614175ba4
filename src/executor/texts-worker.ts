/**
 * @module executor/texts-worker
 * The child of image-texts: reads the texts of an image, says them, ends.
 */

import { z } from "zod";
import { readTexts } from "../image/read-texts.ts";
import { serve } from "./serve.ts";
import type { TextsMessage } from "./texts-message.ts";

serve<TextsMessage>(async (path, { send }) => {
  await send({ type: "result", texts: Object.fromEntries(await readTexts(z.string().parse(path))) });
});
