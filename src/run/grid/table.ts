/**
 * @module run/grid/table
 * Drawings -> rows and columns of a sheet.
 */

import { UsageError } from "../../errors.ts";
import { nearestName } from "../../weights/nearest-name.ts";
import { jobOptionNames } from "../job-options.ts";
import type { FlatOptions } from "../options-from-request.ts";
import { differingNames, keyOf, labelOf, nameOf } from "./axes.ts";
import { IMAGE } from "./image-options.ts";

/** An image, and the options that made it; `image number` tells images of one prompt. */
export interface GridImage {
  readonly path: string;
  readonly options: FlatOptions;
}

export interface GridTable {
  /** Row by row; "": there is no such image. */
  readonly paths: string[];
  readonly rowLabels: string[];
  readonly columnLabels: string[];
}

interface Axes {
  /** As options are written: `prompt`, `stage-1-guidance`. Absent: all that differ and is no column. */
  readonly rows?: readonly string[] | undefined;
  /** Absent: the seed, or what differs last. */
  readonly columns?: readonly string[] | undefined;
}

/** @throws {UsageError} an option is unknown, or images that differ would fall into one cell. */
export function gridTable(images: readonly GridImage[], axes: Axes): GridTable {
  const { rows, columns } = namesOf(images, axes);
  const cells = new Map<string, GridImage>();
  for (const image of images) {
    const key = keyOf([...rows, ...columns], image.options);
    const twin = cells.get(key);
    if (twin) checkSame(twin, image, [...rows, ...columns]);
    cells.set(key, image);
  }
  const [down, across] = [alongAxis(images, rows), alongAxis(images, columns)];
  const paths = down.flatMap((row) =>
    across.map((column) => {
      const place = { ...pick(rows, row), ...pick(columns, column) };
      return cells.get(keyOf([...rows, ...columns], place))?.path ?? "";
    }),
  );
  return {
    paths,
    rowLabels: rows.length === 0 ? [] : down.map((row) => labelOf(rows, row)),
    columnLabels: columns.length === 0 ? [] : across.map((column) => labelOf(columns, column)),
  };
}

function namesOf(images: readonly GridImage[], axes: Axes): { rows: readonly string[]; columns: readonly string[] } {
  const given = (words: readonly string[] | undefined): string[] | undefined => words?.map(checkedName);
  const [rows, columns] = [given(axes.rows), given(axes.columns)];
  const differing = telling(images).filter((name) => !rows?.includes(name) && !columns?.includes(name));
  if (rows && columns) return { rows, columns: [...columns, ...differing.filter((name) => name === IMAGE)] };
  if (columns) return { rows: differing, columns };
  if (rows) return { rows, columns: differing };
  const across = differing.includes("seed") ? "seed" : differing.at(-1);
  return {
    rows: differing.filter((name) => name !== across && name !== IMAGE),
    columns: [
      ...(across === undefined ? [] : [across]),
      ...differing.filter((name) => name === IMAGE && across !== name),
    ],
  };
}

/** Random seeds, each of one drawing, say nothing where something else tells the drawings apart. */
function telling(images: readonly GridImage[]): string[] {
  const all = images.map(({ options }) => options);
  const names = differingNames(all);
  const others = names.filter((name) => name !== "seed");
  const apart = new Set(all.map((options) => keyOf(others, options))).size === all.length;
  const seeds = new Set(all.map(({ seed }) => seed)).size;
  const drawings = all.filter((options) => (options[IMAGE] ?? 1) === 1).length;
  return apart && seeds === drawings && others.some((name) => name !== IMAGE) ? others : names;
}

function checkedName(word: string): string {
  const name = nameOf(word);
  if (jobOptionNames.includes(name)) return name;
  const near = nearestName(name, jobOptionNames);
  throw new UsageError(`there is no option ${word}${near === undefined ? "." : `; did you mean ${near}?`}`);
}

/** One drawing for each value along an axis, in the order in which they come. */
function alongAxis(images: readonly GridImage[], names: readonly string[]): FlatOptions[] {
  const found = new Map<string, FlatOptions>();
  for (const { options } of images) {
    const key = keyOf(names, options);
    if (!found.has(key)) found.set(key, options);
  }
  return [...found.values()];
}

const pick = (names: readonly string[], options: FlatOptions): FlatOptions =>
  Object.fromEntries(names.map((name) => [name, options[name]]));

function checkSame(one: GridImage, other: GridImage, named: readonly string[]): void {
  const names = differingNames([one.options, other.options]).filter((name) => !named.includes(name));
  if (names.length === 0) return; // drawn twice: the later one
  throw new UsageError(
    `${one.path} and ${other.path} would fall into one cell: they differ in ${names.join(", ")}; add that to --rows or --columns.`,
  );
}
