/**
 * Joins the modules that tsc wrote to dist/ into few files in dist/program: Node spends a millisecond and more on each module it
 * opens, and every stage is a process of its own. One flat folder, so that `new URL("./worker.js", import.meta.url)` and
 * `../../models.json` are right in both. `npm run build` takes these options to rolldown itself: its command would list 90 files
 * in every installation from a clone.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const {
  dependencies,
  optionalDependencies = {},
  peerDependencies = {},
} = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** Native code, and what is loaded in few commands only, stays where npm installs it. */
const joined = new Set([
  "@bufbuild/protobuf",
  "@huggingface/tokenizers",
  "cli-truncate",
  "commander",
  "csv-parse",
  "entities",
  "string-width",
  "zod",
]);
const packages = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
const apart = packages.filter((name) => !joined.has(name));

/** @returns a module of dist/ and all that it imports when it is loaded, by path. */
function withImports(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const imports = readFileSync(file, "utf8").matchAll(/^(?:import|export) .*?"(\.[^"]+)";$/gms);
  for (const [, name] of imports) withImports(resolve(file, "..", name), found);
  return found;
}

/** What any help needs: the commands with their options. One file, and one for what other programs share with it. */
const program = resolve("dist/cli/program.js");
const commands = [...readFileSync(program, "utf8").matchAll(/import\("(.+?)"\)/g)].map(([, name]) =>
  resolve(program, "..", name),
);
const ofHelp = new Set([program, ...commands].flatMap((file) => [...withImports(file)]));
const isOfCommandLine = (file) => file.startsWith(resolve("dist/cli"));

/** The processes of stages, and of what needs a process besides. */
const workers = ["worker", "probe-worker", "inspect-worker", "convert-worker", "texts-worker"];

/** Processes that the modules of dist/ start, in tests, run the joined program too, which opens sooner. */
const startsJoined = {
  name: "starts-joined",
  writeBundle() {
    for (const name of workers) writeFileSync(`dist/executor/${name}.js`, `import "../program/${name}.js";\n`);
  },
};

export default {
  logLevel: "warn",
  plugins: [startsJoined],
  // many modules are loaded lazily by one command and at once by another
  checks: { ineffectiveDynamicImport: false },
  input: {
    main: "dist/cli/main.js",
    index: "dist/index.js",
    ...Object.fromEntries(workers.map((name) => [name, `dist/executor/${name}.js`])),
    "scheduling-worker": "dist/pipelines/scheduling-worker.js",
    "noise-worker": "dist/pipelines/noise-worker.js",
  },
  platform: "node",
  external: (id) => apart.some((name) => id === name || id.startsWith(`${name}/`)),
  output: {
    dir: "dist/program",
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "part-[name]-[hash].js",
    codeSplitting: {
      groups: [
        { name: "words", priority: 2, test: (id) => ofHelp.has(id) && !isOfCommandLine(id) },
        { name: "commands", priority: 1, test: (id) => ofHelp.has(id) && isOfCommandLine(id) },
      ],
    },
  },
};
