/**
 * @module plan/absolute-files
 * Paths of the files that a request reads beside its models, as another process in another folder finds them.
 */

import { resolve } from "node:path";
import type { MaskRequest, Request, StartImage } from "./request.ts";

const single = ["lowResolution", "promptEmbeds", "upscalerModel"] as const satisfies readonly (keyof Request)[];

type Files = Pick<Request, "start" | (typeof single)[number]>;

/** @returns those that are there. LoRAs are not among them: their names are looked up. */
export function absoluteFilesOf(request: Files): Files {
  const { start } = request;
  const paths = single.flatMap((name) => (request[name] === undefined ? [] : [[name, resolve(request[name])]]));
  return { ...(start ? { start: absoluteStart(start) } : {}), ...(Object.fromEntries(paths) as Files) };
}

const absoluteStart = ({ image, mask, stageMasks, pasteBack }: StartImage): StartImage => ({
  image: resolve(image),
  ...(mask ? { mask: absoluteMask(mask) } : {}),
  ...(stageMasks ? { stageMasks: absoluteFiles(stageMasks) } : {}),
  pasteBack,
});

const absoluteMask = ({ file, ...mask }: MaskRequest): MaskRequest => ({
  ...mask,
  ...(file === undefined ? {} : { file: resolve(file) }),
});

const absoluteFiles = <Files extends Readonly<Record<string, string>>>(files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([stage, file]) => [stage, resolve(file)])) as Files;
