/**
 * Joins the modules that tsc wrote to dist/ into few files in dist/program: Node spends a millisecond and more on each module it
 * opens, and every stage is a process of its own. One flat folder, so that `new URL("./worker.js", import.meta.url)` and
 * `../../models.json` are right in both.
 */

import { readFileSync } from "node:fs";

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

export default {
  input: {
    main: "dist/cli/main.js",
    index: "dist/index.js",
    worker: "dist/executor/worker.js",
    "probe-worker": "dist/executor/probe-worker.js",
    "inspect-worker": "dist/executor/inspect-worker.js",
    "convert-worker": "dist/executor/convert-worker.js",
    "texts-worker": "dist/executor/texts-worker.js",
  },
  platform: "node",
  external: (id) => apart.some((name) => id === name || id.startsWith(`${name}/`)),
  output: { dir: "dist/program", format: "esm", entryFileNames: "[name].js", chunkFileNames: "part-[name]-[hash].js" },
};
