/**
 * @module hub/names
 * Names that come from outside (a server, a command line, a file of pinned entries) and end up in a path on disk.
 * They are hostile until checked: read by POSIX and by Windows rules, whatever runs here, because caches travel.
 */

import { HubError } from "../errors.ts";
import { quote } from "../text.ts";
import type { RepoFile } from "./types.ts";

const repoName = /^(?:[A-Za-z0-9_][\w.-]{0,95}\/)?[A-Za-z0-9_][\w.-]{0,95}$/;
const commitName = /^[0-9a-f]{40}$/;
const sha256Name = /^[0-9a-f]{64}$/;
const printable = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+$/u;
const drive = /^[A-Za-z]:/;

/**
 * `org/name`, or the bare name of an old repository. `--` separates the two in the cache, so no name may hold it.
 * @throws {HubError} hostile-name.
 */
export function checkRepoName(repo: string): void {
  if (isRepoName(repo)) return;
  throw new HubError("hostile-name", `${quote(repo)} is not the name of a repository; write it as org/name.`);
}

export function isRepoName(repo: string): boolean {
  return repoName.test(repo) && !repo.includes("--") && !repo.includes("..");
}

/** @throws {HubError} hostile-name: a revision that could not be a file under `refs/`. */
export function checkRevision(revision: string): void {
  const fault = pathFault(revision) ?? (/[\s~^:?*[%#]/.test(revision) ? "holds a character git allows in no name" : "");
  if (fault === "") return;
  throw new HubError("hostile-name", `The revision ${quote(revision)} ${fault}; use a branch, a tag or a commit.`);
}

/** @throws {HubError} hostile-name: the path would leave the folder it is joined to, or cannot be shown. */
export function checkRepoPath(repo: string, path: string): void {
  const fault = pathFault(path);
  if (fault === undefined) return;
  throw new HubError("hostile-name", `${repo} lists a file named ${quote(path)}, which ${fault}; it was not touched.`);
}

/**
 * What is wrong with one entry taken alone: its path, its hashes (they name files too), its size.
 * @throws {HubError} hostile-name.
 */
export function checkRepoFile(repo: string, file: RepoFile): void {
  checkRepoPath(repo, file.path);
  const hashFits = file.sha256 !== undefined ? sha256Name.test(file.sha256) : isCommit(file.gitOid ?? "");
  if (hashFits && Number.isSafeInteger(file.bytes) && file.bytes >= 0) return;
  throw new HubError("hostile-name", `${repo} lists ${quote(file.path)} with a hash or a size that cannot be one.`);
}

/**
 * Two files that are one on a disk which ignores case or Unicode forms, or a file where another needs a folder.
 * @throws {HubError} hostile-name: names both.
 */
export function checkCollisions(repo: string, files: readonly RepoFile[]): void {
  const taken = new Map<string, string>(); // folded path, or folder -> the path that took it
  for (const { path } of files) {
    const segments = fold(path).split("/");
    const folders = segments.slice(0, -1).map((_, i) => `${segments.slice(0, i + 1).join("/")}/`);
    const folded = segments.join("/");
    const rival =
      taken.get(folded) ?? taken.get(`${folded}/`) ?? folders.map((name) => taken.get(name.slice(0, -1))).find(Boolean);
    if (rival !== undefined && rival !== path) {
      const both = `${quote(rival)} and ${quote(path)}`;
      throw new HubError(
        "hostile-name",
        `${repo} lists ${both}, which are one file on some disks; nothing was written.`,
      );
    }
    for (const folder of folders) if (!taken.has(folder)) taken.set(folder, path);
    taken.set(folded, path);
  }
}

export function isCommit(revision: string): boolean {
  return commitName.test(revision);
}

function fold(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

function pathFault(path: string): string | undefined {
  if (path === "" || path.length > 1024) return "is empty or too long";
  if (!printable.test(path)) return "holds a control character";
  if (path.includes("\\")) return "holds a backslash";
  if (path.startsWith("/")) return "is an absolute path";
  const segments = path.split("/");
  if (segments.some((segment) => drive.test(segment))) return "names a drive";
  if (segments.includes("..")) return "leads out of its folder";
  if (segments.some((segment) => segment === "" || segment === ".")) return "has an empty step";
  if (segments.some((segment) => Buffer.byteLength(segment) > 255)) return "has a step longer than 255 bytes";
  return undefined;
}
