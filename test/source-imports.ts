/** Reads what each file of src/ imports, for architecture.test.ts. */

import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix, sep } from "node:path";
import { fileURLToPath } from "node:url";

export interface Import {
  /** A file of src/ such as `math/half.ts`, or a package: `sharp`, `@scope/name`, `node:fs`. */
  readonly target: string;
  readonly kind: "file" | "package";
  /** `import type` and `export type` are gone once compiled. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From src/ on, with forward slashes. */
  readonly path: string;
  /** Without comments that fill their lines. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const root = fileURLToPath(new URL("../src", import.meta.url));

export function readSources(): SourceFile[] {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll(sep, "/"));
  return paths
    .filter((path) => path.endsWith(".ts"))
    .map((path) => parseSource(path, readFileSync(`${root}/${path}`, "utf8")));
}

export function parseSource(path: string, text: string): SourceFile {
  const code = text.replace(/^\s*(?:\/\/|\/?\*).*$/gm, "");
  const statements = [...code.matchAll(/^(?:import|export)\s+(type\s)?(?:[^;"'`=]*?\sfrom\s+)?["']([^"']+)["']/gm)];
  const calls = [...code.matchAll(/\bimport\(\s*["'`]([^"'`]+)["'`]\s*\)/g)];
  return {
    path,
    code,
    imports: [
      ...statements.map(([, typeOnly, specifier = ""]) => resolve(path, specifier, typeOnly !== undefined)),
      ...calls.map(([, specifier = ""]) => resolve(path, specifier, false)),
    ],
  };
}

function resolve(path: string, specifier: string, typeOnly: boolean): Import {
  if (specifier.startsWith(".")) {
    return { target: posix.join(posix.dirname(path), specifier), kind: "file", typeOnly };
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  return { target: isBuiltin(name) && !name.startsWith("node:") ? `node:${name}` : name, kind: "package", typeOnly };
}

/** What runs once `start` is loaded, also by `import()`: each file with the way that leads to it. */
export function reachableFrom(start: string, sources: readonly SourceFile[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map(sources.map((source) => [source.path, source]));
  const ways = new Map<string, readonly string[]>();
  const visit = (path: string, before: readonly string[]): void => {
    const file = files.get(path);
    if (!file || ways.has(path)) return;
    const way = [...before, path];
    ways.set(path, way);
    for (const { target, kind, typeOnly } of file.imports) if (kind === "file" && !typeOnly) visit(target, way);
  };
  visit(start, []);
  return ways;
}
