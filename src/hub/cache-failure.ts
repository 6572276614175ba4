/**
 * @module hub/cache-failure
 * A disk that refuses, in words.
 */

import { HubError, IfGenError } from "../errors.ts";
import type { HubSettings } from "./types.ts";

const fullCodes: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** @throws {HubError} disk-full or cache, for what the file system refused; every other error as it is. */
export async function withCacheErrors<T>(settings: HubSettings, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw cacheFailure(settings, error);
  }
}

function cacheFailure({ cacheFolder }: HubSettings, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof IfGenError || typeof code !== "string" || typeof syscall !== "string") return error;
  if (fullCodes.has(code)) {
    const text = `The disk of ${cacheFolder} is full (${code}); make room, or set HF_HUB_CACHE to another disk, and try again: what has arrived is kept.`;
    return new HubError("disk-full", text, { cause: error });
  }
  const text = `The cache ${cacheFolder} cannot be used (${code} from ${syscall}); check its permissions, or set HF_HUB_CACHE to a folder you may write to.`;
  return new HubError("cache", text, { cause: error });
}
