/**
 * @module errors
 * Every error a user can meet. The message is one sentence: what, where, what to do.
 * `cli/main.ts` is the only place that prints them; an error of any other class is a bug and keeps its stack.
 *
 * Exit codes: 0 done, 1 internal error or a problem that doctor found, 2 usage, 3 does not fit the memory budget, 4 a checkpoint cannot be used,
 * 5 an input image cannot be used, 6 the output cannot be written, 7 a stage failed, 8 the Hub or the network failed,
 * 9 the execution provider that was named does not work here, 10 some jobs of a batch failed, 11 all of them did, 129 / 130 / 131 / 143 ended by SIGHUP / SIGINT / SIGQUIT / SIGTERM.
 */

export type ErrorCode =
  | "PROBLEM"
  | "USAGE"
  | "MEMORY_BUDGET"
  | "CHECKPOINT"
  | "INPUT_IMAGE"
  | "OUTPUT"
  | "STAGE"
  | "HUB"
  | "PROVIDER"
  | "SOME_FAILED"
  | "ALL_FAILED"
  | "INTERRUPTED"
  | "TERMINATED"
  | "HANGUP"
  | "QUIT";

export const exitCodes: Readonly<Record<ErrorCode, number>> = {
  PROBLEM: 1,
  USAGE: 2,
  MEMORY_BUDGET: 3,
  CHECKPOINT: 4,
  INPUT_IMAGE: 5,
  OUTPUT: 6,
  STAGE: 7,
  HUB: 8,
  PROVIDER: 9,
  SOME_FAILED: 10,
  ALL_FAILED: 11,
  INTERRUPTED: 130,
  TERMINATED: 143,
  HANGUP: 129,
  QUIT: 131,
};

export class IfGenError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "IfGenError";
    this.code = code;
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/** A flag, an argument or a combination of them that is not valid. Exit 2. */
export class UsageError extends IfGenError {
  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
    this.name = "UsageError";
  }
}

/** A checkpoint's config, weights or tokenizer is missing, broken, or not understood. Exit 4. */
export class CheckpointError extends IfGenError {
  constructor(message: string, options?: ErrorOptions) {
    super("CHECKPOINT", message, options);
    this.name = "CheckpointError";
  }
}

/** An image or mask given by the user cannot be read or used. Exit 5. */
export class InputImageError extends IfGenError {
  constructor(message: string, options?: ErrorOptions) {
    super("INPUT_IMAGE", message, options);
    this.name = "InputImageError";
  }
}

/** The result cannot be written. Exit 6. */
export class OutputError extends IfGenError {
  constructor(message: string, options?: ErrorOptions) {
    super("OUTPUT", message, options);
    this.name = "OutputError";
  }
}

/** @returns why the system refused to write, and what to do: the end of a sentence, without its full stop. */
export function whyNotWritten(error: unknown): string {
  const sentences: Readonly<Record<string, string>> = {
    ENOENT: "its folder does not exist; create it first",
    ENOTDIR: "its folder is a file; choose another place",
    EISDIR: "it is a folder; give a file name",
    EACCES: "permission denied; choose another folder",
    EPERM: "permission denied; choose another folder",
    EROFS: "the disk is read-only; choose another folder",
    ENOSPC: "the disk is full; free some space or choose another folder",
    EDQUOT: "your disk quota is used up; free some space or choose another folder",
    EFBIG: "it is larger than the disk or this shell (ulimit -f) allows; choose another folder or raise the limit",
    ENAMETOOLONG: "its name is too long; choose a shorter one",
  };
  const { code, message } = error as NodeJS.ErrnoException;
  return sentences[code ?? ""] ?? code ?? message ?? String(error);
}

/** A stage took more memory of the GPU than it may. Exit 3. */
export class GpuMemoryError extends IfGenError {
  constructor(message: string, options?: ErrorOptions) {
    super("MEMORY_BUDGET", message, options);
    this.name = "GpuMemoryError";
  }
}

/** A stage's process ended badly. Exit 7. */
export class StageError extends IfGenError {
  constructor(message: string, options?: ErrorOptions) {
    super("STAGE", message, options);
    this.name = "StageError";
  }
}

/** Why the Hub could not be used. */
export type HubErrorReason =
  | "gated" // the licence has not been accepted by the token's account, or there is no token
  | "token" // no token where one is needed, or the Hub does not know it
  | "forbidden"
  | "repo-not-found"
  | "revision-not-found"
  | "entry-not-found"
  | "offline"
  | "network" // unreachable, interrupted, too slow, too busy, or not a Hub's answer
  | "changed" // the Hub serves another file than it listed
  | "checksum" // the bytes that arrived are not the file
  | "disk-full"
  | "cache" // the cache folder cannot be read or written
  | "hostile-name" // a name that would leave the cache
  | "locked"; // another process holds the file and makes no progress

/** The Hub, the network or the cache of downloaded files failed. Exit 8. */
export class HubError extends IfGenError {
  readonly reason: HubErrorReason;

  constructor(reason: HubErrorReason, message: string, options?: ErrorOptions) {
    super("HUB", message, options);
    this.name = "HubError";
    this.reason = reason;
  }
}

/** Shapes that do not agree: always a mistake in our own code, never the user's. */
export class ShapeError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ShapeError";
  }
}
