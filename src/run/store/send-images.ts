/**
 * @module run/store/send-images
 * A job's images out of the folder where they wait, into a store.
 */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Store } from "./s3-store.ts";

/** @param names below `folder`, and in the store; each file is removed once the store has it. @throws {OutputError} as the store. */
export async function sendImages(store: Store, names: readonly string[], folder: string): Promise<void> {
  for (const name of names) {
    const path = join(folder, name);
    await store.put(name, path);
    await rm(path);
  }
}
