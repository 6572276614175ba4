/**
 * Streams that are closed, full or read in part. None ends a command badly: its code is the one it has otherwise, or 6 where
 * what was to be written to standard output was not taken; an image is drawn all the same, and nothing else is left.
 */

import { join } from "node:path";
import { drawing, emptyFolder, isCrash, listTree, run } from "./program.ts";
import { add, judge, type Table } from "./table.ts";

/** `"$@"` is the command; the last line's code is its own. */
const scripts = [
  '"$@" | true; exit "${PIPESTATUS[0]}"',
  '"$@" | head -c 1 > /dev/null; exit "${PIPESTATUS[0]}"',
  '"$@" 2>&1 | head -n 1 > /dev/null; exit "${PIPESTATUS[0]}"',
  '"$@" 2>&1 > /dev/null | true; exit "${PIPESTATUS[0]}"',
  '"$@" 2>&1 > /dev/null | head -c 5 > /dev/null; exit "${PIPESTATUS[0]}"',
  '"$@" > /dev/full',
  '"$@" 2> /dev/full',
  '"$@" > /dev/full 2>&1',
  '"$@" >&-',
  '"$@" 2>&-',
  '"$@" <&-',
  '"$@" <&- >&- 2>&-',
  '"$@" < /',
] as const;

const planned = drawing.filter((word) => word !== "-o" && word !== "cat.png");

const commands: readonly (readonly string[])[] = [
  ["--help"],
  ["--version"],
  ["txt2img", "--help"],
  ["models", "list"],
  ["models", "show", "if-xl", "--json"],
  ["models", "path", "demo"],
  ["models", "pull", "demo"],
  ["models", "rm", "demo"],
  ["cache", "list", "--json"],
  ["cache", "verify"],
  ["plan", ...planned.slice(1), "--json"],
  [...planned, "--dry-run"],
  ["whoami"],
  ["logout"],
  ["login"],
  ["txt2img", "a cat", "--no-such-option"],
  ["txt2img", "a cat", "--seed", "x"],
  [...planned, "-o", "-", "--quiet"],
  [...planned, "-o", "-", "--preview"],
  drawing,
  [...drawing, "--json", "--report", "report.json"],
];

export async function streams(table: Table, root: string): Promise<void> {
  const row = table.row("streams");
  const home = join(root, "streams");
  const env = { HF_HUB_OFFLINE: "1" };
  for (const args of commands) {
    emptyFolder(home);
    const plain = await run(args, home, { env });
    const whole = listTree(home);
    for (const shell of scripts) {
      emptyFolder(home);
      const end = await run(args, home, { shell, env });
      add(row, end.code === plain.code ? "as otherwise" : `code ${end.code}`, end.ms);
      const mayBeDeaf =
        /^"\$@" (>|<&- >|\|)/.test(shell) && (shell.includes("full") || args.includes("-") || shell.includes(">&-"));
      const isRight = end.code === plain.code || (end.code === 6 && mayBeDeaf);
      const files = listTree(home);
      const left = [...files.keys()].filter((path) => !whole.has(path));
      const images = [...whole].filter(
        ([path, hash]) => path.endsWith(".png") && end.code === 0 && files.get(path) !== hash,
      );
      judge(row, `${args.join(" ")} as ${shell}`, [
        ...(isRight && !isCrash({ ...end, code: 0 })
          ? []
          : [`code ${end.code} and not ${plain.code}: ${end.stderr.slice(-500)}`]),
        ...left.map((path) => `${path} is left`),
        ...images.map(([path]) => `${path} is missing or another one`),
      ]);
    }
  }
}
