/**
 * @module run/grid/captions
 * What the images of one command differ in, below each of them on its sheet.
 */

import type { ConversionJob } from "../../executor/conversion.ts";
import type { Request } from "../../plan/request.ts";
import { optionsFromRequest } from "../options-from-request.ts";
import { differingNames, labelOf } from "./axes.ts";

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

/** @returns one per image; none if the requests do not differ: images of one batch differ in nothing that has a name. */
export function captionsOf(requests: readonly Request[]): string[] {
  const all = requests.map(optionsFromRequest);
  const names = differingNames(all);
  if (names.length === 0) return [];
  return requests.flatMap(({ numImages }, index) => {
    const label = labelOf(names, all[index]!);
    return Array.from({ length: numImages }, (_, image) => (numImages > 1 ? `${label}, image ${image + 1}` : label));
  });
}
