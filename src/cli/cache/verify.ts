/**
 * @module cli/cache/verify
 * `if-gen cache verify`.
 */

import { verifyDerived } from "../../catalog/derived-caches.ts";
import { CheckpointError } from "../../errors.ts";
import { print, printJson } from "../terminal.ts";

/** @throws {CheckpointError} an entry is not what was written. */
export async function verifyCache({ json }: { json?: boolean }): Promise<void> {
  const results = await verifyDerived();
  if (json) printJson(results);
  else for (const { name, ok, reason } of results) print(`${name}: ${ok ? "all right" : reason}\n`);
  const damaged = results.filter(({ ok }) => !ok);
  if (damaged.length === 0) return;
  const names = damaged.map(({ name }) => name).join(" ");
  throw new CheckpointError(`${damaged.length} of ${results.length} entries are damaged; if-gen cache rm ${names}`);
}
