/**
 * @module run/grid/captions
 * What the images of one command differ in, below each of them on its sheet.
 */

import type { ConversionJob } from "../../executor/conversion.ts";
import type { Request } from "../../plan/request.ts";
import { differingNames, labelOf } from "./axes.ts";
import { IMAGE, imageOptions } from "./image-options.ts";

type SheetLayout = NonNullable<ConversionJob["layout"]>;

/** Of a sheet in the images' own size, as square as their number allows. */
const CELL_PX = 1024;

/** @returns undefined: the requests do not differ, and there is nothing to say. */
export function captionedLayout(requests: readonly Request[]): SheetLayout | undefined {
  const captions = captionsOf(requests);
  if (captions.length === 0) return undefined;
  const columns = Math.ceil(Math.sqrt(captions.length));
  return { columns, cell: CELL_PX, rowLabels: [], columnLabels: [], captions };
}

/** @returns one per image; none if they differ in nothing that has a name, as images of one prompt do. */
export function captionsOf(requests: readonly Request[]): string[] {
  const all = requests.flatMap(imageOptions);
  const names = differingNames(all).filter((name) => name !== IMAGE);
  if (names.length === 0) return [];
  return all.map((options) => {
    const label = labelOf(names, options);
    const number = options[IMAGE];
    return typeof number === "number" ? `${label}, image ${number}` : label;
  });
}
