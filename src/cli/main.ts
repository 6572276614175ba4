/**
 * @module cli/main
 * argv -> exit code. The only place that prints an error.
 */

import { type Command, CommanderError } from "commander";
import { IfGenError, UsageError, exitCodes } from "../errors.ts";
import { InvalidUsage } from "./command.ts";
import { createProgram } from "./program.ts";
import { flushOutput, guardStreams, hasAnswered, printJsonLine, say } from "./terminal.ts";

/** @returns the exit code; see errors.ts for what each means. Never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  guardStreams();
  let ran: Command | undefined;
  try {
    const program = await createProgram(argv);
    program.hook("preAction", (_, command) => void (ran = command));
    await program.parseAsync(argv, { from: "user" });
    await flushOutput();
    return 0;
  } catch (error) {
    const isJson = ran?.opts()["json"] === true || (ran === undefined && isTyped(argv, "--json"));
    return report(error instanceof InvalidUsage ? await explain(error) : error, isJson);
  }
}

const isTyped = (argv: readonly string[], option: string): boolean =>
  argv.slice(0, argv.includes("--") ? argv.indexOf("--") : argv.length).includes(option);

async function explain({ message, command }: InvalidUsage): Promise<UsageError> {
  const { explainUsage } = await import("./hints.ts");
  return new UsageError(explainUsage(message, command));
}

interface Failure {
  readonly code: string;
  readonly exitCode: number;
  /** A sentence, or the stack of a mistake of the program. */
  readonly message: string;
}

/** @param isJson is it told on standard output too, unless the answer was printed there before? */
async function report(error: unknown, isJson: boolean): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0) return exitCodes.USAGE; // a command without its subcommand: its help was printed
    return flushOutput().then(
      () => 0,
      (failure: unknown) => report(failure, false),
    );
  }
  const failure = describeFailure(error);
  const { code, exitCode, message } = failure;
  if (code === INTERNAL)
    say(`if-gen: this is a mistake of the program; please report it with the command.\n${message}\n`);
  else say(`if-gen: ${message} [${code}]\n`);
  if (isJson && !hasAnswered()) {
    printJsonLine({ type: "error", ...failure });
    await flushOutput().catch(() => undefined); // what it would say has been said
  }
  return exitCode;
}

const INTERNAL = "INTERNAL";

function describeFailure(error: unknown): Failure {
  if (error instanceof IfGenError) return { code: error.code, exitCode: error.exitCode, message: error.message };
  const refusal = describeRefusal(error);
  if (refusal !== undefined) return { code: "STAGE", exitCode: exitCodes.STAGE, message: refusal };
  return {
    code: INTERNAL,
    exitCode: 1,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

/** What the system refused for want of something that the user can give. */
function describeRefusal(error: unknown): string | undefined {
  const sentences: Readonly<Record<string, string>> = {
    EMFILE: "too many files are open for this shell's limit; raise it (ulimit -n 1024)",
    ENFILE: "too many files are open on this machine; close other programs",
    ENOMEM: "the system has no memory left for it; free some, or raise this shell's limit (ulimit -v unlimited)",
    EAGAIN: "no further process can be started; raise this shell's limit (ulimit -u), or close other programs",
    ENOSPC: "the disk is full; free some space",
    EDQUOT: "your disk quota is used up; free some space",
    EIO: "the disk failed to read or write; check it",
    EROFS: "the disk is read-only",
    EACCES: "permission denied; change the permissions of it and of its folders, or choose another place",
    EPERM: "the system does not allow it; choose another place",
    ELOOP: "its links lead in a circle",
    ENOTDIR: "a part of its path is no folder",
    ESTALE: "the network disk no longer has it; try again",
    ETXTBSY: "another program holds it; try again",
    EBUSY: "another program holds it; try again",
  };
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  const sentence = sentences[code ?? ""];
  const what = [syscall ?? "the system", ...(path === undefined ? [] : [path])].join(" ");
  return sentence === undefined ? undefined : `${what} failed: ${sentence}.`;
}
