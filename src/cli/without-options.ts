/**
 * @module cli/without-options
 * A command that draws, less the options that it has no use for.
 */

import type { Command, Option } from "commander";

/** @param isUseless by the option's name in camelCase. */
export function withoutOptions(command: Command, isUseless: (name: string) => boolean): void {
  const options = command.options as Option[];
  for (const option of options.filter((one) => isUseless(one.attributeName()))) {
    options.splice(options.indexOf(option), 1);
    command.setOptionValue(option.attributeName(), undefined); // it may have had a default
  }
}
