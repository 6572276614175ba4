/**
 * @module machine/folders
 * Where files lie, and what room there is.
 */

import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Environment } from "../hub/environment.ts";

/** Where intermediate files may lie: TMPDIR or the system's usual place. */
export function temporaryFolder(): string {
  return tmpdir();
}

/** `$XDG_CONFIG_HOME/if-gen` or `~/.config/if-gen`; on Windows `%APPDATA%\if-gen`. */
export function configFolder(
  env: Environment = process.env,
  home: string = homedir(),
  system: string = process.platform,
): string {
  if (system === "win32") return join(env["APPDATA"] || join(home, "AppData", "Roaming"), "if-gen");
  return join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "if-gen");
}

/** `$XDG_CACHE_HOME/if-gen` or `~/.cache/if-gen`; on Windows `%LOCALAPPDATA%\\if-gen\\cache`: what can be made again. */
export function cacheFolder(
  env: Environment = process.env,
  home: string = homedir(),
  system: string = process.platform,
): string {
  if (system === "win32") return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), "if-gen", "cache");
  return join(env["XDG_CACHE_HOME"] || join(home, ".cache"), "if-gen");
}

/** @returns what an ordinary user may still write where `folder` is or would be made. */
export async function freeDiskBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(nearestFolder(folder));
  return bavail * bsize;
}

/** @returns the folder itself, or the nearest one above that exists. */
export function nearestFolder(folder: string): string {
  const path = resolve(folder);
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}
