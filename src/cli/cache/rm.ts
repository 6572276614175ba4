/**
 * @module cli/cache/rm
 * `if-gen cache rm NAME...`.
 */

import { listAllDerived, removeDerived } from "../../catalog/derived-caches.ts";
import { UsageError } from "../../errors.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { say } from "../terminal.ts";

/** @throws {UsageError} nothing is named, or an entry is not there. */
export async function removeFromCache(names: readonly string[], { all }: { all?: boolean }): Promise<void> {
  if (names.length === 0 && !all)
    throw new UsageError("nothing is named; give names of `if-gen cache list`, or --all.");
  const entries = await listAllDerived();
  const missing = names.find((name) => entries.every((entry) => entry.name !== name));
  if (missing !== undefined) throw new UsageError(`${missing} is not in the cache; if-gen cache list shows what is.`);
  const chosen = entries.filter(({ name }) => all || names.includes(name));
  say(`removed ${chosen.length} of ${entries.length} entries, ${formatBytes(await removeDerived(chosen))}\n`);
}
