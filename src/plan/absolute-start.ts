/**
 * @module plan/absolute-start
 * Paths of a start image and its masks, as another process in another folder finds them.
 */

import { resolve } from "node:path";
import type { MaskRequest, StartImage } from "./request.ts";

export const absoluteStart = ({ image, mask, stageMasks, pasteBack }: StartImage): StartImage => ({
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
