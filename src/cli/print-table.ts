/**
 * @module cli/print-table
 * Tables and lists on standard output: wrapped on a terminal. Files and pipes get each line whole.
 */

import stringWidth from "string-width";
import { usableColumns } from "./line.ts";
import { print } from "./terminal.ts";
import { wrapLines } from "./wrap.ts";

export function printTable(text: string): void {
  const { stdout } = process;
  print(stdout.isTTY ? wrapLines(text, usableColumns(stdout), 4, stringWidth) : text);
}
