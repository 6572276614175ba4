/**
 * @module image/parameters
 * The `parameters` text that AUTOMATIC1111's web UI made common: prompt, negative prompt, one line of settings.
 *
 *     a red cube
 *     Negative prompt: blurry
 *     Steps: 50, Sampler: DDPM, CFG scale: 7, Seed: 1, Size: 1024x1024, Model: "IF-I-XL, IF-II-L", Version: if-gen 0.1.0
 *
 * Source: behaviour of the web UI's reader of generation parameters, and files written by it.
 */

export interface Parameters {
  readonly prompt: string;
  /** Empty: none was given. */
  readonly negativePrompt: string;
  /** In order, as shown above: `Steps` first. Keys of letters, digits, spaces, `-`, `_` and `/`; at least three of them. */
  readonly settings: ReadonlyMap<string, string>;
}

const negativeLabel = "Negative prompt:";
/** One `Key: value` at the line's start or behind a comma; a quoted value is JSON. */
const settingPattern = /(?<=^|,)\s*(?<key>\w[\w \-/]*):\s*(?<value>"(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)/gu;

/** @returns the text; {@link parseParameters} gives back what was put in. */
export function formatParameters({ prompt, negativePrompt, settings }: Parameters): string {
  const lines = [prompt];
  if (negativePrompt !== "") lines.push(`${negativeLabel} ${negativePrompt}`);
  lines.push([...settings].map(([key, value]) => `${key}: ${quoteSetting(value)}`).join(", "));
  return lines.join("\n");
}

/** As the web UI quotes: JSON where a comma, a colon or a line break would mislead a reader; also where quotes or outer spaces would. */
function quoteSetting(value: string): string {
  return /[,:\r\n"]|^\s|\s$/u.test(value) ? JSON.stringify(value) : value;
}

/**
 * @param text from if-gen or another program that writes this format.
 * @returns    its parts. The last line is taken for settings if it is a list of three or more; then from the first line
 *             that starts with "Negative prompt:" on it is the negative prompt (so a prompt with such a line of its own is cut there).
 */
export function parseParameters(text: string): Parameters {
  const lines = text.split("\n");
  const settings = parseSettings(lines.at(-1)!);
  if (settings) lines.pop();
  const start = lines.findIndex((line) => line.startsWith(negativeLabel));
  if (start < 0) return { prompt: lines.join("\n"), negativePrompt: "", settings: settings ?? new Map() };
  return {
    prompt: lines.slice(0, start).join("\n"),
    negativePrompt: lines.slice(start).join("\n").slice(negativeLabel.length).replace(/^ /u, ""),
    settings: settings ?? new Map(),
  };
}

function parseSettings(line: string): Map<string, string> | undefined {
  const settings = new Map<string, string>();
  for (const { groups } of line.matchAll(settingPattern)) {
    settings.set(groups!["key"]!, unquoteSetting(groups!["value"]!));
  }
  return settings.size >= 3 ? settings : undefined;
}

function unquoteSetting(value: string): string {
  if (!value.startsWith('"')) return value.trimEnd();
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
