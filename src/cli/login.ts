/**
 * @module cli/login
 * `if-gen login`, `logout`, `whoami`: the token lies where Python's huggingface_hub keeps it, so one login serves both.
 */

import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { HubError } from "../errors.ts";
import { sweepDrafts } from "../files/draft.ts";
import { makeFolder } from "../files/make-folder.ts";
import { replaceFile } from "../files/replace-file.ts";
import type { ProgramCommand } from "./command.ts";
import { print, printJson, say } from "./terminal.ts";

export function defineLogin(command: ProgramCommand): void {
  command.option("--token-stdin", "read it from standard input instead of asking").action(login);
}

export function defineLogout(command: ProgramCommand): void {
  command.action(logout);
}

export function defineWhoami(command: ProgramCommand): void {
  command.option("--json", "print it as JSON").action(whoami);
}

/**
 * The Hub is asked whose the token is before it is stored; offline it is stored unasked.
 * @throws {HubError} token: the Hub does not know it; cache: it cannot be stored.
 */
async function login({ tokenStdin }: { tokenStdin?: boolean }): Promise<void> {
  const { askForToken, readTokenFromStdin } = await import("./read-token.ts");
  const { readHubContext } = await import("../catalog/hub-context.ts");
  const { whoAmI } = await import("../hub/who-am-i.ts");
  const { lostNote } = await import("../machine/folders.ts");
  const { environment, settings } = readHubContext();
  const token = tokenStdin ? await readTokenFromStdin() : await askForToken(settings.endpoint);
  const account = settings.offline ? undefined : await whoAmI({ ...settings, token });
  await storeToken(environment.tokenPath, token);
  const whose = account ? `${account.name}'s token` : "the token, unchecked since HF_HUB_OFFLINE is set,";
  say(`stored ${whose} in ${environment.tokenPath}\n`);
  const lost = lostNote(environment.tokenPath);
  if (lost !== undefined) say(`note: ${lost}\n`);
  if (environment.tokenSource === "HF_TOKEN" || environment.tokenSource === "HUGGING_FACE_HUB_TOKEN") {
    say(`note: ${environment.tokenSource} is set and goes before it; unset it to use the stored one.\n`);
  }
}

/** Whole or not at all, and never readable by others, not even for a moment. */
async function storeToken(path: string, token: string): Promise<void> {
  try {
    await makeFolder(dirname(path), 0o700);
    await sweepDrafts(dirname(path)); // a token that a killed login left
    await replaceFile(path, token, { mode: 0o600 });
  } catch (cause) {
    throw new HubError(
      "cache",
      `the token cannot be stored in ${path}: ${reasonOf(cause)}; set HF_TOKEN_PATH to another file.`,
    );
  }
}

/** @throws {HubError} cache: the file cannot be removed. */
async function logout(): Promise<void> {
  const { readHubEnvironment } = await import("../machine/environment.ts");
  const { tokenPath, tokenSource } = readHubEnvironment();
  try {
    await rm(tokenPath);
    say(`removed the token in ${tokenPath}\n`);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new HubError("cache", `${tokenPath} cannot be removed: ${reasonOf(cause)}; remove it yourself.`);
    }
    say(`nobody is logged in: there is no ${tokenPath}\n`);
  }
  if (tokenSource === "HF_TOKEN" || tokenSource === "HUGGING_FACE_HUB_TOKEN") {
    say(`note: ${tokenSource} is still set in the environment.\n`);
  }
}

/** @throws {HubError} token: there is none, or the Hub does not know it. */
async function whoami({ json }: { json?: boolean }): Promise<void> {
  const { readHubContext } = await import("../catalog/hub-context.ts");
  const { whoAmI } = await import("../hub/who-am-i.ts");
  const { environment, settings } = readHubContext();
  const { name } = await whoAmI(settings);
  const { tokenSource, tokenPath } = environment;
  const from = tokenSource === "file" ? tokenPath : tokenSource;
  if (json) printJson({ name, endpoint: settings.endpoint, tokenFrom: from });
  else print(`${name}\n`);
}

/** The system's word alone: nothing of what was being written. */
const reasonOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? "unknown reason";
