/**
 * @module cli/hints
 * What commander says of words that are not valid -> the program's own sentence, with what was probably meant: options by
 * the names that other programs give them, a prompt without quotes, a prompt without its command.
 */

import type { Command } from "commander";
import { requestedProviders } from "../plan/choices.ts";
import { printable } from "../text.ts";
import { nameOf } from "./command.ts";

interface Hint {
  /** Names without dashes, as other programs have them. */
  readonly names: readonly string[];
  /** Options of this program for it; those that the command has are named. */
  readonly options?: readonly string[];
  /** What is said if the command has none of them. */
  readonly text?: string;
}

const hints: readonly Hint[] = [
  {
    names: ["steps", "num-steps", "num-inference-steps", "inference-steps", "sampling-steps", "ddim-steps"],
    options: ["stage-1-steps", "stage-2-steps", "stage-3-steps"],
  },
  { names: ["scale", "outscale", "factor", "upscale-factor"], options: ["stages"] },
  {
    names: ["guidance", "guidance-scale", "cfg", "cfg-scale", "scale"],
    options: ["guidance", "stage-1-guidance", "stage-2-guidance", "stage-3-guidance"],
  },
  { names: ["tile-size", "tiles", "tile-width"], options: ["tile"] },
  { names: ["overlap", "tile-padding", "tile-pad"], options: ["tile-overlap"] },
  {
    names: ["width", "height", "W", "H", "size", "resolution", "aspect", "ar"],
    options: ["size", "aspect-ratio", "until"],
  },
  { names: ["sampler", "sampling-method", "sampler-name"], options: ["scheduler", "stage-1-timesteps"] },
  { names: ["batch-size", "batch-count", "n-samples", "n-iter", "count", "images", "n"], options: ["num-images"] },
  { names: ["negative", "neg-prompt", "neg"], options: ["negative-prompt"] },
  { names: ["outdir", "out-dir", "output-dir", "out", "outfile", "save"], options: ["output-folder", "output"] },
  { names: ["ckpt", "checkpoint", "model-path", "model-name", "diffusion-model", "repo"], options: ["model"] },
  {
    names: ["init-img", "init-image", "input", "img", "image"],
    options: ["image"],
    text: "img2img starts from an image: if-gen img2img --image FILE",
  },
  {
    names: ["denoising-strength", "strength"],
    options: ["strength"],
    text: "img2img has it: if-gen img2img --image FILE --strength 0.7",
  },
  { names: ["mask", "mask-image"], options: ["mask"], text: "inpaint has it: if-gen inpaint --image FILE --mask FILE" },
  {
    names: ["style-prompt", "style"],
    options: ["style"],
    text: "the command style has it: if-gen style --image FILE --style TEXT",
  },
  { names: ["device", "gpu", "backend", "provider", ...requestedProviders], options: ["execution-provider"] },
  {
    names: ["dtype", "precision", "fp16", "half", "quantize", "load-in-8bit"],
    options: ["variant", "unet-bits", "text-encoder-bits"],
  },
  {
    names: ["lowvram", "medvram", "low-vram", "vae-tiling", "max-memory"],
    options: ["budget", "ram-budget", "vram-budget"],
  },
  { names: ["no-safety-checker", "disable-safety-checker", "nsfw"], options: ["safety"] },
  { names: ["verbose", "debug", "log-level"], options: ["report", "json"] },
  { names: ["force", "yes", "f"], options: ["overwrite"] },
  {
    names: ["token", "hf-token", "use-auth-token"],
    options: ["token-stdin"],
    text: "others could read a token there: store it with if-gen login, or set HF_TOKEN",
  },
];

/** @param message commander's: "error: unknown option '--steps'\n(Did you mean --stage-1-steps?)". */
export function explainUsage(message: string, command: Command): string {
  const text = message.replace(/^error: /, "").replace(/\.$/, "");
  const [, flag] = /^unknown option '(-[^']*)'/.exec(text) ?? [];
  if (flag !== undefined) return explainOption(flag, text, command);
  const [, option, value, why] = /^option '([^']*)' argument '(.*)' is invalid\. (.*)$/s.exec(text) ?? [];
  if (option !== undefined) {
    return `${longOf(option)} ${printable(value ?? "")} is not valid: ${inSentence(why ?? "")}; ${seeHelp(command)}.`;
  }
  const [, given, argument, which] =
    /^command-argument value '(.*)' is invalid for argument '([^']*)'\. (.*)$/s.exec(text) ?? [];
  if (argument !== undefined) {
    return `<${argument}> ${printable(given ?? "")} is not valid: ${inSentence(which ?? "")}; ${seeHelp(command)}.`;
  }
  const [, absent] = /^missing required argument '([^']*)'/.exec(text) ?? [];
  if (absent !== undefined) return `${explainAbsent(absent, command)}; ${seeHelp(command)}.`;
  const [, empty] = /^option '([^']*)' argument missing/.exec(text) ?? [];
  if (empty !== undefined) return `${longOf(empty)} needs a value (${empty}); ${seeHelp(command)}.`;
  if (text.startsWith("too many arguments")) return explainArguments(text, command);
  if (text.startsWith("unknown command")) return explainCommand(text, command);
  return `${inSentence(text)}; ${seeHelp(command)}.`;
}

function explainAbsent(name: string, command: Command): string {
  const choices = command.registeredArguments.find((argument) => argument.name() === name)?.argChoices ?? [];
  return `<${name}> is missing${choices.length > 0 ? `: ${listOf(choices)}` : ""}`;
}

function explainOption(flag: string, text: string, command: Command): string {
  const unknown = `unknown option '${printable(flag)}'`;
  const plain = flag.replace(/^-+/, "");
  const name = plain.replaceAll("_", "-").replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`);
  const has = (option: string): boolean => command.options.some(({ long }) => long === `--${option}`);
  const kebab = name.toLowerCase();
  if (kebab !== plain && has(kebab)) return `${unknown}; it is written --${kebab}.`;
  const likely = hints.filter(({ names }) => names.includes(name) || names.includes(kebab));
  const hint = likely.find(({ options = [] }) => options.some(has)) ?? likely[0];
  const options = (hint?.options ?? []).filter((option) => has(option) && option !== kebab);
  if (options.length > 0) {
    return `${unknown}; here it is ${listOf(options.map((option) => `--${option}`))}: see ${nameOf(command)} --help-all.`;
  }
  if (hint?.text !== undefined) return `${unknown}; ${hint.text}.`;
  return `${inSentence(text.replace(/'(-[^']*)'/, () => `'${printable(flag)}'`))}; ${seeHelp(command)}.`;
}

function explainArguments(text: string, command: Command): string {
  const takesPrompt = command.registeredArguments.some((argument) => argument.name() === "prompt");
  if (!takesPrompt) return `${inSentence(text)}; ${seeHelp(command)}.`;
  const words = command.args.map((word) => printable(word, 40));
  const [first = ""] = words;
  if (command.name() === "plan" && command.parent?.commands.some((one) => one.name() === first)) {
    return `plan is for txt2img; what another command would do: if-gen ${first} ... --dry-run.`;
  }
  if (/\.(png|jpe?g|webp|avif|tiff?|gif)$/i.test(first) && command.options.some(({ long }) => long === "--image")) {
    return `the image is an option: ${nameOf(command)} --image ${first} "${words.slice(1).join(" ").replaceAll('"', "'")}".`;
  }
  return `the prompt is in ${words.length} parts; use quotes: ${nameOf(command)} "${words.join(" ").replaceAll('"', "'")}".`;
}

function explainCommand(text: string, command: Command): string {
  const [word = ""] = command.args;
  const isPrompt = command.parent === null && /\s/.test(word.trim());
  const next = isPrompt ? `; to draw it: if-gen txt2img "${printable(word, 40)}"` : `; ${seeHelp(command)}`;
  return `${inSentence(text)}${next}.`;
}

/** A sentence of commander inside one of ours: no capital, no full stop, likely names in brackets. */
function inSentence(text: string): string {
  return text
    .replace(/\n\(Did you mean (.*)\)$/s, " (did you mean $1)")
    .replaceAll("\n", " ")
    .replace(/\.$/, "")
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

const longOf = (flags: string): string => /--[\w-]+/.exec(flags)?.[0] ?? flags;

const listOf = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;

const seeHelp = (command: Command): string => `see ${nameOf(command)} --help`;
