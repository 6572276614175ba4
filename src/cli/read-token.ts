/**
 * @module cli/read-token
 * The Hub's token from standard input or from the keyboard. Never from the command line: others could read it there.
 */

import type { Readable } from "node:stream";
import { IfGenError, UsageError } from "../errors.ts";
import { cleanToken } from "../hub/environment.ts";

const MAX_TOKEN_LENGTH = 4096;

/** @throws {UsageError} standard input holds no token. */
export async function readTokenFromStdin(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_TOKEN_LENGTH) break;
  }
  return checkToken(text);
}

/**
 * Asks on the terminal; what is typed is not shown.
 * @throws {UsageError} there is no terminal, or no token was typed.
 * @throws {IfGenError} INTERRUPTED: Ctrl-C.
 */
export async function askForToken(page: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) {
    throw new UsageError("login asks on a terminal; without one give the token on standard input, with --token-stdin.");
  }
  stdin.setRawMode(true); // before the question: a quick answer shall not be shown either
  try {
    stderr.write(`Make a token with read access at ${page}/settings/tokens and paste it here.\r\nToken (not shown): `);
    return checkToken(await readHiddenLine(stdin));
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

/** @returns the keys up to Enter. Exported for its test. */
export async function readHiddenLine(keyboard: Readable): Promise<string> {
  let line = "";
  for await (const chunk of keyboard.iterator({ destroyOnReturn: false })) {
    for (const key of String(chunk)) {
      if (key === "\r" || key === "\n" || key === "\u0004") return line;
      if (key === "\u0003") throw new IfGenError("INTERRUPTED", "interrupted; nothing was stored.");
      line = key === "\u007f" || key === "\b" ? line.slice(0, -1) : line + key;
      if (line.length > MAX_TOKEN_LENGTH) return line;
    }
  }
  return line;
}

/** The text is not repeated in the error: it may be most of a token. */
function checkToken(text: string): string {
  const token = cleanToken(text);
  if (token === undefined) throw new UsageError("no token was given.");
  if (token.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new UsageError("that is no token: it has blanks, signs that no token has, or more than one line.");
}
