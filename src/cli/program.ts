/**
 * @module cli/program
 * The commands by name. What one is made of is loaded when its name is typed: `--help` is as quick as Node allows.
 */

import type { Command } from "commander";
import { programVersion } from "../machine/version.ts";
import { ProgramCommand, nameOf } from "./command.ts";

interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** Adds arguments, options, subcommands and the action to an empty command. */
  readonly load: () => Promise<(command: ProgramCommand) => void>;
}

/** The program's help, group by group. */
const groups: Readonly<Record<string, readonly CommandEntry[]>> = {
  "Draw:": [
    {
      name: "txt2img",
      description: "draw an image from text",
      load: async () => (await import("./txt2img.ts")).defineTxt2img,
    },
    {
      name: "img2img",
      description: "redraw an image as the text says, keeping its layout and shape",
      load: async () => (await import("./img2img.ts")).defineImg2img,
    },
    {
      name: "inpaint",
      description: "repaint a part of an image as the text says",
      load: async () => (await import("./inpaint.ts")).defineInpaint,
    },
    {
      name: "style",
      description: "redraw an image in a style that is said in words",
      load: async () => (await import("./style.ts")).defineStyle,
    },
    {
      name: "upscale",
      description: "enlarge an image, in tiles if it is large",
      load: async () => (await import("./upscale.ts")).defineUpscale,
    },
    {
      name: "batch",
      description: "draw many images, each network loaded once for all of them",
      load: async () => (await import("./batch.ts")).defineBatch,
    },
    {
      name: "worker",
      description: "draw the jobs of a queue that batch --queue fills",
      load: async () => (await import("./worker.ts")).defineWorker,
    },
    {
      name: "queue",
      description: "show a queue of jobs, retry what failed, empty it",
      load: async () => (await import("./queue.ts")).defineQueue,
    },
    {
      name: "show",
      description: "print what an image's metadata says of how it was made",
      load: async () => (await import("./show.ts")).defineShow,
    },
    {
      name: "grid",
      description: "put the images of a batch on one sheet, labelled with what differs",
      load: async () => (await import("./grid.ts")).defineGrid,
    },
    {
      name: "plan",
      description: "say what txt2img would do and how much memory each stage would take",
      load: async () => (await import("./plan.ts")).definePlan,
    },
  ],
  "Models:": [
    {
      name: "models",
      description: "list, fetch, check and remove models",
      load: async () => (await import("./models.ts")).defineModels,
    },
    {
      name: "cache",
      description: "list, check and remove weights that were made smaller here (--text-encoder-bits, --unet-bits)",
      load: async () => (await import("./cache.ts")).defineCache,
    },
    {
      name: "login",
      description: "store a Hugging Face token, for repositories behind a licence",
      load: async () => (await import("./login.ts")).defineLogin,
    },
    {
      name: "logout",
      description: "remove the stored Hugging Face token",
      load: async () => (await import("./login.ts")).defineLogout,
    },
    {
      name: "whoami",
      description: "print whose Hugging Face token is in use",
      load: async () => (await import("./login.ts")).defineWhoami,
    },
  ],
  "Scripts:": [
    {
      name: "config",
      description: "keep defaults for options: model, output folder, ...",
      load: async () => (await import("./config.ts")).defineConfig,
    },
    {
      name: "completion",
      description: "print what completes commands in bash, zsh, fish or PowerShell",
      load: async () => (await import("./completion.ts")).defineCompletion,
    },
    {
      name: "schema",
      description: "print the JSON schema of what this program prints or reads",
      load: async () => (await import("./schema.ts")).defineSchema,
    },
    {
      name: "man",
      description: "print the manual page",
      load: async () => (await import("./man.ts")).defineMan,
    },
  ],
  "This machine:": [
    {
      name: "doctor",
      description: "look at the machine, its GPU, the model cache and the way to the Hub",
      load: async () => (await import("./doctor.ts")).defineDoctor,
    },
    {
      name: "setup",
      description: "install what npm leaves out",
      load: async () => (await import("./setup.ts")).defineSetup,
    },
  ],
};

/**
 * @param argv words that were typed: commands that are named among them are loaded, the others are names only.
 * @returns the program; with `"all"`, every command with its options.
 */
export async function createProgram(argv: readonly string[] | "all"): Promise<ProgramCommand> {
  const program = new ProgramCommand("if-gen")
    .description("Text-to-image with DeepFloyd IF: text -> 64 px -> 256 px -> 1024 px, one network at a time.")
    .version(programVersion(), "-V, --version", "print the version and end")
    .helpOption("-h, --help", "print this help and end")
    .exitOverride()
    .addExamples(
      `if-gen txt2img "a rocket above a house on a blue background" -o out.png`,
      "if-gen txt2img --help",
      "if-gen models list",
      "if-gen doctor",
    )
    .addHelpText("after", `\n${exitCodeHelp}`);
  for (const [heading, entries] of Object.entries(groups)) {
    program.commandsGroup(heading);
    for (const { name, description, load } of entries) {
      const command = program.command(name).description(description);
      if (argv === "all" || argv.includes(name)) (await load())(command);
    }
  }
  program.commandsGroup("Help:").helpCommand(false);
  program
    .command("help [command...]")
    .description("print the help of a command: help models pull")
    .action((words: readonly string[]) => findCommand(program, words).help());
  return program;
}

/** @throws {InvalidUsage} one of the words is no command of the one before. */
function findCommand(program: Command, words: readonly string[]): Command {
  return words.reduce((command, word) => {
    const found = command.commands.find((one) => one.name() === word);
    return found ?? command.error(`error: ${nameOf(command)} has no command '${word}'`);
  }, program);
}

export const exitCodeHelp = `Exit codes:
  0 done, 1 internal error or a problem that doctor found, 2 usage,
  3 memory budget, 4 checkpoint, 5 input image, 6 output, 7 stage, 8 network,
  9 execution provider, 10 some jobs of a batch failed, 11 all of them did,
  129, 130, 131 and 143 ended by a signal`;
