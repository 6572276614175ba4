/**
 * @module cli/main
 * argv -> exit code. The only place that prints an error.
 */

import { Command, CommanderError } from "commander";
import { IfGenError, exitCodes } from "../errors.ts";
import { programVersion } from "../machine/version.ts";
import { addDoctor } from "./doctor.ts";
import { addImg2img } from "./img2img.ts";
import { addInpaint } from "./inpaint.ts";
import { addLogin } from "./login.ts";
import { addModels } from "./models.ts";
import { addSetup } from "./setup.ts";
import { addPlan } from "./plan.ts";
import { addTxt2img } from "./txt2img.ts";

/** @returns the exit code; see errors.ts for what each means. Never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv, { from: "user" });
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
    .exitOverride();
  addTxt2img(program);
  addImg2img(program);
  addInpaint(program);
  addPlan(program);
  addModels(program);
  addLogin(program);
  addDoctor(program);
  addSetup(program);
  return program;
}

const exitCodeHelp =
  "0 done, 1 internal error, 2 usage, 3 memory budget, 4 checkpoint, 5 input picture, 6 output, 7 stage, 8 network, " +
  "9 execution provider, " +
  "130 and 143 interrupted";

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.USAGE; // it has printed its own message
  if (error instanceof IfGenError) {
    process.stderr.write(`if-gen: ${error.message} [${error.code}]\n`);
    return error.exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`if-gen: this is a mistake of the program; please report it with the command.\n${stack}\n`);
  return 1;
}
