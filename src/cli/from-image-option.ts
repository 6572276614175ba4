/**
 * @module cli/from-image-option
 * `--from-image IMAGE`: what its metadata says is drawn again; options that are typed take its place.
 */

import type { Command } from "commander";
import { once } from "./values.ts";

export const addFromImageOption = (command: Command): Command =>
  command.option("--from-image <image>", "draw an image again, from its metadata", once);

/** @returns the names of the options that were typed, as commander calls them. */
export const typedNames = (command: Command): ReadonlySet<string> =>
  new Set(Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === "cli"));
