/**
 * @module executor/read-ahead
 * While a stage runs, the files of the next stage's weights are read and forgotten, so that the kernel has them in its
 * page cache when that stage maps them. Only memory that nobody needs is used for it: the cache must not push out what
 * the running stage has mapped or is still to take. A stage on a GPU has its own files read too, from its start: there
 * the library maps one weight after the other and has to wait for the disk each time.
 */

import { open } from "node:fs/promises";
import type { Limits, StageNeed } from "../memory/budget.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import { weightFiles } from "../networks/network-weights.ts";
import { readAvailableMemory } from "../machine/hardware.ts";

/** Read at once, into one buffer that is used again: this process stays small. */
const PIECE_BYTES = 2 ** 22;
/** Left alone: the terminal, other programs, what the prediction is off by. */
const RESERVE_BYTES = 2 ** 28;

/** Reads the weights of a stage that begins, if it runs on a GPU. Never fails. */
export type ReadOwn = (running: Stage, signal: AbortSignal) => Promise<void>;

/** Reads `next`'s weights while `running` runs, until all are read, memory is short, or `signal` ends it. Never fails. */
export type ReadAhead = (running: Stage, next: Stage, signal: AbortSignal) => Promise<void>;

interface ReadAheadSettings {
  /** Bytes a process may still take now, the page cache counted as free. */
  readonly available?: () => number;
  readonly read?: typeof readFiles;
}

/**
 * T5 runs once and reads its own weights until its end. On a slow disk it would have to share with the next stage, so that
 * what is gained there is lost here: its own are read first, to where the prediction says that it maps them.
 * @param needs what the stages were predicted to take; one without a prediction has nothing read beside it.
 */
export function createReadAhead(
  plan: Plan,
  needs: readonly StageNeed[],
  limits: Limits,
  { available = () => readAvailableMemory().bytes, read = readFiles }: ReadAheadSettings = {},
): ReadAhead {
  return async (running, next, signal) => {
    const need = needs.find(({ stage }) => stage === running.name);
    if (!need) return;
    const atStart = available();
    const room = (): number => roomBeside(need, limits, atStart, available());
    try {
      if (running.kind === "text") await read(await weightFiles(plan, running), () => mappedBytes(need), signal);
      await read(await weightFiles(plan, next), room, signal);
    } catch {
      // the next stage will meet what is wrong with its files, and say it
    }
  };
}

/** @param needs as createReadAhead's. */
export function createReadOwn(
  plan: Plan,
  needs: readonly StageNeed[],
  limits: Limits,
  { available = () => readAvailableMemory().bytes, read = readFiles }: ReadAheadSettings = {},
): ReadOwn {
  return async (running, signal) => {
    const need = needs.find(({ stage }) => stage === running.name);
    if (need?.gpuBytes === undefined) return;
    const atStart = available();
    try {
      await read(await weightFiles(plan, running), () => roomBeside(need, limits, atStart, available()), signal);
    } catch {
      // the stage itself will say it
    }
  };
}

/**
 * How much of the next stage's weights may lie in the page cache beside a stage that runs: what is left of the budget, and
 * of the memory, when the stage has taken its most. What it has taken already is missing from `now`; what others took since
 * the start is missing from it too.
 */
export function roomBeside(need: StageNeed, limits: Limits, atStart: number, now: number): number {
  const total = Math.min(limits.ramBytes, atStart, now + need.privateBytes);
  return total - need.peakBytes - RESERVE_BYTES;
}

const mappedBytes = ({ networks }: StageNeed): number =>
  networks.reduce((sum, network) => sum + network.mappedBytes, 0);

/**
 * Reads the files from their beginnings and forgets what it read.
 * @param room bytes that may be read in all, asked again before each piece.
 * @returns how many bytes were read.
 */
export async function readFiles(files: readonly string[], room: () => number, signal: AbortSignal): Promise<number> {
  const piece = new Uint8Array(PIECE_BYTES);
  let done = 0;
  for (const file of files) {
    const handle = await open(file);
    try {
      for (;;) {
        const length = Math.min(PIECE_BYTES, room() - done);
        if (signal.aborted || length <= 0) return done;
        const { bytesRead } = await handle.read(piece, 0, length);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }
  return done;
}
