/**
 * A queue under load: workers are killed at random and so is Redis, and at the end every job must have exactly one image that is
 * what the manifest says. Needs a built program and redis-server.
 *
 *     node scripts/load/queue.mjs --jobs 2000 --workers 4
 *
 * Options: --jobs, --workers, --chunk, --kill-every SECONDS (a worker), --kill-redis-every SECONDS, --keep-alive, --folder.
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "2000" },
    workers: { type: "string", default: "4" },
    chunk: { type: "string", default: "16" },
    "kill-every": { type: "string", default: "20" },
    "kill-redis-every": { type: "string", default: "90" },
    "keep-alive": { type: "boolean", default: false },
    folder: { type: "string" },
  },
});
const jobs = Number(values.jobs);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "if-gen-load-"));
const out = join(folder, "out");
const model = join(root, "test", "golden", "checkpoints");
const killed = { workers: 0, redis: 0 };
let isOver = false;

const port = await new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port: free } = server.address();
    server.close(() => resolve(free));
  });
});
const url = `redis://127.0.0.1:${port}`;

const start = (words) =>
  spawn(process.execPath, [join(root, "bin", "if-gen.js"), ...words], { stdio: ["ignore", "ignore", "inherit"] });
const ended = (child) => new Promise((resolve) => child.once("exit", resolve));

/** Is there again as soon as it ends. */
function keep(startOne) {
  const kept = { child: startOne() };
  const again = () => {
    if (isOver) return;
    kept.child = startOne();
    kept.child.once("exit", again);
  };
  kept.child.once("exit", again);
  return kept;
}

const redisWords = [
  "--port",
  String(port),
  "--bind",
  "127.0.0.1",
  "--dir",
  folder,
  "--save",
  "",
  "--appendonly",
  "yes",
];
const redis = keep(() => spawn("redis-server", redisWords, { stdio: "ignore" }));
await delay(1000);
const file = join(folder, "jobs.jsonl");
const lines = Array.from({ length: jobs }, (_, seed) => `${JSON.stringify({ prompt: `a cat ${seed % 100}`, seed })}\n`);
writeFileSync(file, lines.join(""));
const began = performance.now();
const drawing = [
  "-m",
  model,
  "--until",
  "64",
  "--stage-1-steps",
  "1",
  "--safety",
  "off",
  "--execution-provider",
  "cpu",
];
const batch = start([
  "batch",
  file,
  "--output-dir",
  out,
  ...drawing,
  "--threads",
  "1",
  "--queue",
  url,
  "--wait",
  "--quiet",
]);
const words = [
  "worker",
  "--queue",
  url,
  "--chunk",
  values.chunk,
  "--lost-after",
  "10",
  "--ram-budget",
  "4GB",
  "--quiet",
  ...(values["keep-alive"] ? ["--keep-alive"] : []),
];
const workers = Array.from({ length: Number(values.workers) }, () => keep(() => start(words)));

const killers = [
  setInterval(
    () => {
      killed.workers++;
      workers[Math.floor(Math.random() * workers.length)].child.kill("SIGKILL");
    },
    1000 * Number(values["kill-every"]),
  ),
  setInterval(
    () => {
      killed.redis++;
      redis.child.kill("SIGKILL");
    },
    1000 * Number(values["kill-redis-every"]),
  ),
];
const code = await ended(batch);
isOver = true;
killers.forEach(clearInterval);
const seconds = (performance.now() - began) / 1000;
for (const { child } of workers) {
  const end = ended(child);
  if (child.kill("SIGKILL")) await end;
}
redis.child.kill("SIGKILL");

async function sha256(path) {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part);
  return hash.digest("hex");
}

const entries = readFileSync(join(out, "manifest.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
const drawn = entries.filter(({ status }) => status === "drawn");
const images = readdirSync(out).filter((name) => name.endsWith(".png"));
let wrong = 0;
for (const { files } of drawn)
  for (const { path, sha256: expected } of files) if ((await sha256(join(out, path))) !== expected) wrong++;
const found = drawn.filter(({ notes = [] }) =>
  notes.some((note) => note.startsWith("It was drawn by a worker that ended")),
);
const summary = {
  code,
  jobs,
  seconds: Math.round(seconds),
  workersKilled: killed.workers,
  redisKilled: killed.redis,
  images: images.length,
  jobsDrawn: new Set(drawn.map(({ index }) => index)).size,
  linesOfDrawn: drawn.length,
  failed: entries.length - drawn.length,
  foundDrawn: found.length,
  otherFiles: readdirSync(out, { withFileTypes: true }).filter(
    (one) => one.isFile() && !/\.png$|^manifest\.jsonl$/.test(one.name),
  ).length,
  imagesThatDiffer: wrong,
};
console.log(JSON.stringify(summary, null, 2));
const isRight =
  code === 0 && images.length === jobs && summary.jobsDrawn === jobs && drawn.length === jobs && wrong === 0;
if (values.folder === undefined && isRight) rmSync(folder, { recursive: true, force: true });
process.exitCode = isRight ? 0 : 1;
