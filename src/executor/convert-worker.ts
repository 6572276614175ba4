/**
 * @module executor/convert-worker
 * The child of convert-images: reads PNG files, writes one file, ends.
 */

import { readFile } from "node:fs/promises";
import { OutputError, whyNotWritten } from "../errors.ts";
import { replaceFile } from "../files/replace-file.ts";
import { convertPng, joinPngs } from "../image/convert.ts";
import { type ConversionJob, type ConversionMessage, conversionJob } from "./conversion.ts";
import { serve } from "./serve.ts";

serve<ConversionMessage>(async (task, { send }) => {
  await convert(conversionJob.parse(task));
  await send({ type: "result" });
});

async function convert({ sources, target, format }: ConversionJob): Promise<void> {
  const pngs = await Promise.all(sources.map((source) => readFile(source)));
  const [first] = pngs;
  const png = pngs.length === 1 && first ? first : await joinPngs(pngs);
  const bytes = await convertPng(png, format);
  try {
    await replaceFile(target, bytes);
  } catch (cause) {
    throw new OutputError(`${target} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}
