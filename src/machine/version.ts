/**
 * @module machine/version
 * This program's version. A file of its own: `if-gen --version` and `--help` need nothing else of a plan.
 */

import { readFileSync } from "node:fs";

/** The package's root: from src/plan and from dist/plan alike. */
const packageUrl = new URL("../../package.json", import.meta.url);

/** @returns this program's version, from package.json. */
export function programVersion(): string {
  return (JSON.parse(readFileSync(packageUrl, "utf8")) as { version: string }).version; // our own file
}
