/**
 * @module executor/convert-worker
 * The child of convert-images: reads PNG files, writes one file, ends.
 */

import { readFile } from "node:fs/promises";
import { OutputError, whyNotWritten } from "../errors.ts";
import { replaceFile } from "../files/replace-file.ts";
import { convertPng, joinPngs, withSettingsOf } from "../image/convert.ts";
import { type SheetLayout, drawSheet } from "../image/sheet.ts";
import { type ConversionJob, type ConversionMessage, conversionJob } from "./conversion.ts";
import { serve } from "./serve.ts";

serve<ConversionMessage>(async (task, { send }) => {
  await convert(conversionJob.parse(task));
  await send({ type: "result" });
});

async function convert({ sources, layout, target, format }: ConversionJob): Promise<void> {
  const png = layout ? await labelled(sources, layout) : await joined(sources);
  const bytes = await convertPng(png, format);
  try {
    await replaceFile(target, bytes);
  } catch (cause) {
    throw new OutputError(`${target} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}

/** Captions are of one command's images, which have nearly all settings in common. */
async function labelled(sources: readonly string[], layout: SheetLayout): Promise<Buffer> {
  const sheet = await drawSheet(sources, layout);
  const [first] = sources;
  return layout.captions.length > 0 && first ? withSettingsOf(await readFile(first), sheet) : sheet;
}

async function joined(sources: readonly string[]): Promise<Buffer> {
  const pngs = await Promise.all(sources.map((source) => readFile(source)));
  const [first] = pngs;
  return pngs.length === 1 && first ? first : joinPngs(pngs);
}
