/**
 * @module run/optional-packages
 * Packages that are no part of if-gen: loaded when an option needs them.
 */

import { UsageError } from "../errors.ts";

/**
 * @param option   that needs them.
 * @param packages by their names on npm.
 * @throws {UsageError} one of them is not installed.
 */
export async function loadOptional<T>(
  option: string,
  packages: readonly [string, ...string[]],
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    const [noun, them] = packages.length > 1 ? ["packages", "them"] : ["package", "it"];
    throw new UsageError(
      `${option} needs the ${noun} ${packages.join(" and ")}, which if-gen does not bring along; ` +
        `install ${them} beside it: npm install ${packages.join(" ")} (with -g, if if-gen was installed so).`,
      { cause },
    );
  }
}
