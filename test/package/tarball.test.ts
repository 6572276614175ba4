/** What is in the package, and what the files beside it promise npm. */

import { readFileSync, readdirSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { INSTALL_TIMEOUT_MS, PACK, npm, root, run, temporaryFolder } from "./npm.ts";

let files: readonly string[] = [];

beforeAll(async () => {
  const { stdout } = await npm([...PACK, "--dry-run"], root);
  const [{ files: packed }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  files = packed.map(({ path }) => path);
}, INSTALL_TIMEOUT_MS);

const readText = (path: string): string => readFileSync(join(root, path), "utf8");

describe("the tarball", () => {
  test("holds the program, its models and its pages, and nothing else", () => {
    const partsAt = (depth: number, within = ""): Set<string | undefined> =>
      new Set(files.filter((path) => path.startsWith(within)).map((path) => path.split("/")[depth]));
    const pages = ["LICENSE", "NOTICE", "README.md", "docs"];
    expect(partsAt(0)).toEqual(new Set([...pages, "bin", "dist", "models", "models.json", "package.json"]));
    expect(partsAt(1, "models/")).toEqual(new Set(["demo"]));
    expect(files.filter((path) => path.includes("node_modules") || path.includes(".vitepress"))).toEqual([]);
  });

  test("holds the joined program, and the declarations of each module of src/: no leftovers, no source map", () => {
    const declarations = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => `dist/${path.replaceAll(sep, "/").slice(0, -".ts".length)}.d.ts`);
    const built = files.filter((path) => path.startsWith("dist/"));
    const joined = built.filter((path) => path.startsWith("dist/program/"));
    expect(built.filter((path) => !joined.includes(path)).toSorted()).toEqual(declarations.toSorted());
    expect(joined.filter((path) => !/^dist\/program\/[\w-]+\.js$/.test(path))).toEqual([]);
    const workers = ["probe", "inspect", "convert", "texts", "scheduling"].map((name) => `${name}-worker`);
    const entries = ["main", "index", "worker", ...workers];
    expect(joined).toEqual(expect.arrayContaining(entries.map((name) => `dist/program/${name}.js`)));
  });

  test("holds no code of a package whose licence is not named in NOTICE", () => {
    const copied = new Set<string>();
    const origin = /^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm;
    for (const path of files.filter((name) => name.startsWith("dist/program/"))) {
      for (const [, name = ""] of readText(path).matchAll(origin)) copied.add(name);
    }
    expect(copied.size).toBeGreaterThan(5);
    const notice = readText("NOTICE");
    expect([...copied].filter((name) => !notice.includes(name))).toEqual([]);
  });

  test("holds the pages and images that its README links to, and their images", () => {
    const pages = linksIn("README.md").filter((path) => path.endsWith(".md") && path.startsWith("docs/"));
    const images = ["README.md", ...pages].flatMap(linksIn).filter((path) => /\.(png|jpg|gif|svg)$/.test(path));
    expect(pages.length).toBeGreaterThan(0);
    expect(images.length).toBeGreaterThan(0);
    expect([...pages, ...images].filter((path) => !files.includes(path))).toEqual([]);
  });
});

/** @returns what a page of Markdown links to within the repository, from its root on. */
function linksIn(page: string): string[] {
  return [...readText(page).matchAll(/\]\(([^)#\s]+)[^)]*\)|src="([^"]+)"/g)]
    .map(([, link = "", source = ""]) => link || source)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => posix.join(posix.dirname(page), link));
}

describe("npm ci", () => {
  const { packages } = JSON.parse(readText("package-lock.json")) as {
    packages: Readonly<Record<string, { resolved?: string; hasInstallScript?: boolean }>>;
  };

  test("fetches packages from whatever registry is configured", () => {
    expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  // npm 10 knows no allowScripts: it runs the install script of each package that its lock file marks so.
  // onnxruntime-node's fetches CUDA from outside the registry, and where that cannot be reached the installation fails.
  test("runs no package's install script, with any npm: upgrading onnxruntime-node, delete its hasInstallScript", () => {
    expect(Object.keys(packages).filter((path) => packages[path]?.hasInstallScript)).toEqual([]);
  });

  test("prints no warning about this project's own settings", async () => {
    const empty = temporaryFolder();
    const { stderr } = await run("npm", ["config", "get", "registry", "--userconfig", join(empty, "npmrc")], {
      cwd: root,
    });
    expect(stderr).toBe("");
  });
});
