/**
 * @module cli/standard-input
 * `-` in place of a prompt or a file: what is on standard input.
 */

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputImageError, OutputError, UsageError, whyNotWritten } from "../errors.ts";
import { makeFolder } from "../files/make-folder.ts";
import { draftFolderIn } from "../files/draft.ts";
import { temporaryFolder } from "../machine/folders.ts";

const STDIN = "-";
/** More than any model reads. */
const MAX_PROMPT_BYTES = 2 ** 20;
/** As large as image files that are read may be. */
const MAX_IMAGE_BYTES = 2 ** 28;

interface Inputs {
  readonly prompt?: string | undefined;
  readonly image?: string | undefined;
  readonly mask?: string | undefined;
}

/** @param keep the folder of a run that may be gone on with; absent: what is read is removed when `use` ends. */
export async function withStandardInput<T>(
  inputs: Inputs,
  keep: string | undefined,
  use: (inputs: Inputs) => Promise<T>,
): Promise<T> {
  checkAddresses(inputs);
  const [name, ...others] = (["prompt", "image", "mask"] as const).filter((key) => inputs[key] === STDIN);
  if (name === undefined) return use(inputs);
  if (others.length > 0)
    throw new UsageError(`standard input is either the ${name} or the ${others[0]}; give a file's name.`);
  if (process.stdin.isTTY) throw new UsageError(`the ${name} is to come from standard input, which is a terminal.`);
  if (name === "prompt") return use({ ...inputs, prompt: await readText() });
  const folder = keep ?? draftFolderIn(temporaryFolder());
  try {
    return await use({ ...inputs, [name]: await storeImage(name, folder) });
  } finally {
    if (keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

function checkAddresses({ image, mask }: Inputs): void {
  const address = [image, mask].find((file) => file !== undefined && /^\w+:\/\//.test(file));
  if (address === undefined) return;
  throw new UsageError(
    `${address} is an address: images are read from files; fetch it first (curl -L -o image.jpg ADDRESS).`,
  );
}

async function readText(): Promise<string> {
  const text = new TextDecoder().decode(await readBytes(MAX_PROMPT_BYTES, "the prompt on standard input", UsageError));
  return text.replace(/\r?\n$/, "");
}

async function storeImage(name: string, folder: string): Promise<string> {
  const bytes = await readBytes(MAX_IMAGE_BYTES, `the ${name} on standard input`, InputImageError);
  const path = join(folder, `${name}-from-standard-input`);
  try {
    await makeFolder(folder, 0o700);
    await writeFile(path, bytes);
  } catch (cause) {
    throw new OutputError(`the ${name} from standard input cannot be kept in ${folder}: ${whyNotWritten(cause)}.`, {
      cause,
    });
  }
  return path;
}

async function readBytes(
  most: number,
  what: string,
  Failure: typeof UsageError | typeof InputImageError,
): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    chunks.push(Buffer.from(chunk as Buffer));
    length += chunks.at(-1)?.length ?? 0;
    if (length > most) throw new Failure(`${what} is larger than ${most} bytes.`);
  }
  if (length === 0) throw new Failure(`${what} is empty.`);
  return Buffer.concat(chunks);
}
