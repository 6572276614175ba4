/**
 * @module machine/folders
 * Where files lie, and what room there is.
 */

import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { homedir, tmpdir, userInfo } from "node:os";
import { dirname, isAbsolute, join, resolve, sep } from "node:path";
import { OutputError } from "../errors.ts";
import type { Environment } from "../hub/environment.ts";

/** Where intermediate files may lie: TMPDIR or the system's default. */
export function temporaryFolder(): string {
  return tmpdir();
}

/**
 * The user's home folder. Some have none (a container's user without an entry in /etc/passwd and without HOME): then a
 * folder of their own in the temporary folder, made when it is first asked for, which nobody else can read or write.
 * @throws {OutputError} that folder is somebody else's: what lies in it is not to be trusted.
 */
export function homeFolder(env: Environment = process.env, find: () => string = foundHome): string {
  const named = env["HOME"] ?? "";
  if (process.platform !== "win32" && isAbsolute(named)) return named;
  const found = attempt(find);
  return found !== undefined && isAbsolute(found) ? found : substituteHome();
}

/** @returns what to tell a user without a home folder before something is stored; undefined: there is one. */
export function homeNote(env: Environment = process.env, find?: () => string): string | undefined {
  return lostNote(homeFolder(env, find));
}

/**
 * @param folder where something is about to be stored.
 * @returns what to tell a user without a home folder; undefined: it lies elsewhere (HF_HOME, XDG_CACHE_HOME, ...), or there is one.
 */
export function lostNote(folder: string): string | undefined {
  const substitute = substitutePath();
  if (folder !== substitute && !folder.startsWith(join(substitute, sep))) return undefined;
  return `there is no home folder: what would be stored in it goes to ${substitute}, which does not last; set HOME to change this.`;
}

/** The system's entry of the user, where HOME is empty or no path. */
const foundHome = (): string => (isAbsolute(homedir()) ? homedir() : userInfo().homedir);

const substitutePath = (): string => join(tmpdir(), `if-gen-home-${process.getuid?.() ?? "user"}`);

function substituteHome(): string {
  const folder = substitutePath();
  attempt(() => mkdirSync(folder, { mode: 0o700 })); // there already, or nothing can be stored here at all
  const stats = attempt(() => lstatSync(folder));
  const isOurs = !stats || (stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0);
  if (!isOurs) throw new OutputError(`${folder} is not this user's own folder; set HOME to a folder that is.`);
  return folder;
}

function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/** `$XDG_CONFIG_HOME/if-gen` or `~/.config/if-gen`; on Windows `%APPDATA%\if-gen`. */
export function configFolder(
  env: Environment = process.env,
  home: string = homeFolder(),
  system: string = process.platform,
): string {
  if (system === "win32") return join(env["APPDATA"] || join(home, "AppData", "Roaming"), "if-gen");
  return join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "if-gen");
}

/** `$XDG_CACHE_HOME/if-gen` or `~/.cache/if-gen`; on Windows `%LOCALAPPDATA%\\if-gen\\cache`: what can be made again. */
export function cacheFolder(
  env: Environment = process.env,
  home: string = homeFolder(),
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
