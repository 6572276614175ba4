/**
 * @module cli/main
 * argv -> exit code. The only place that prints an error.
 */

import { Command, CommanderError } from "commander";
import { IfGenError, exitCodes } from "../errors.ts";
import { programVersion } from "../machine/version.ts";
import { addCache } from "./cache.ts";
import { addDoctor } from "./doctor.ts";
import { addImg2img } from "./img2img.ts";
import { addInpaint } from "./inpaint.ts";
import { addLogin } from "./login.ts";
import { addModels } from "./models.ts";
import { addSetup } from "./setup.ts";
import { addPlan } from "./plan.ts";
import { flushOutput, guardStreams, say } from "./terminal.ts";
import { addTxt2img } from "./txt2img.ts";

/** @returns the exit code; see errors.ts for what each means. Never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  guardStreams();
  try {
    await createProgram().parseAsync(argv, { from: "user" });
    await flushOutput();
    return 0;
  } catch (error) {
    return report(error);
  }
}

function createProgram(): Command {
  const program = new Command("if-gen")
    .description("Text-to-image with DeepFloyd IF: text -> 64 px -> 256 px -> 1024 px, one network at a time.")
    .version(programVersion(), "-V, --version", "print the version and end")
    .helpOption("-h, --help", "print this help and end")
    .showHelpAfterError("(add --help for the options)")
    .addHelpText("after", `\nExit codes: ${exitCodeHelp}.`)
    .configureOutput({ writeErr: say }) // it repeats what was typed
    .exitOverride();
  addTxt2img(program);
  addImg2img(program);
  addInpaint(program);
  addPlan(program);
  addModels(program);
  addCache(program);
  addLogin(program);
  addDoctor(program);
  addSetup(program);
  return program;
}

const exitCodeHelp =
  "0 done, 1 internal error or a problem that doctor found, 2 usage, 3 memory budget, 4 checkpoint, 5 input image, 6 output, 7 stage, 8 network, " +
  "9 execution provider, 129, 130, 131 and 143 ended by a signal";

async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0) return exitCodes.USAGE; // it has printed its own message
    return flushOutput().then(() => 0, report);
  }
  if (error instanceof IfGenError) {
    say(`if-gen: ${error.message} [${error.code}]\n`);
    return error.exitCode;
  }
  const refusal = describeRefusal(error);
  if (refusal !== undefined) {
    say(`if-gen: ${refusal} [STAGE]\n`);
    return exitCodes.STAGE;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  say(`if-gen: this is a mistake of the program; please report it with the command.\n${stack}\n`);
  return 1;
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
  };
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const sentence = sentences[code ?? ""];
  return sentence === undefined ? undefined : `${syscall ?? "the system"} failed: ${sentence}.`;
}
