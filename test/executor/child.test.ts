/** One owner of a child: how it is ended, and what is known of the end. The children here are a few lines each. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { type Child, type ChildOptions, startChild, wordsOf } from "../../src/executor/child.ts";

const schema = z.strictObject({ say: z.string() });
type Message = z.infer<typeof schema>;

interface Started {
  readonly child: Child;
  readonly heard: string[];
  /** A file that the child may write. */
  readonly file: string;
}

/** Starts a child that runs `body` once it has its `task`; `say` sends a message, `file` is a path. */
function start(body: string, options: Partial<ChildOptions<Message>> = {}): Started {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [entry, file] = [join(folder, "child.mjs"), join(folder, "file")];
  writeFileSync(
    entry,
    `import { writeFileSync } from "node:fs";
    const file = ${JSON.stringify(file)};
    const send = (message) => new Promise((resolve) => process.send(message, undefined, {}, resolve));
    const say = (say) => send({ say });
    const done = () => setImmediate(() => process.disconnect()); // not within the handler: Node 20 crashes
    const stay = () => setInterval(() => {}, 1000);
    process.once("message", async (task) => { ${body} });`,
  );
  const heard: string[] = [];
  const child = startChild({
    entry: pathToFileURL(entry),
    task: { word: "hello" },
    schema,
    onMessage: ({ say }) => heard.push(say),
    ...options,
  });
  return { child, heard, file };
}

/** Resolves once the child has said something. */
async function untilHeard({ heard }: Started): Promise<void> {
  await vi.waitFor(() => expect(heard).not.toEqual([]), { timeout: 30_000, interval: 20 });
}

test("it is told its task, and all that it says is heard before it counts as ended", async () => {
  const { child, heard } = start(
    `for (let i = 0; i < 50; i++) await say(task.word + i); console.error("goodbye"); process.exitCode = 3; done();`,
  );
  expect(child.pid).toBeGreaterThan(0);
  const end = await child.ended;
  expect(heard).toEqual(Array.from({ length: 50 }, (_, index) => `hello${index}`));
  expect(end).toEqual({ code: 3, signal: null, stderr: "goodbye\n" });
  expect(wordsOf(end)).toBe(" It said: goodbye");
  expect(wordsOf({ ...end, stderr: " \n" })).toBe("");
});

test("flags of a program that uses the library are not its own, and onnxruntime does not report from it", async () => {
  vi.stubEnv("ORT_DISABLE_TELEMETRY", undefined);
  const flags = [...process.execArgv];
  onTestFinished(() => {
    vi.unstubAllEnvs();
    process.execArgv.splice(0, Infinity, ...flags);
  });
  process.execArgv.push("--input-type=module"); // as `node --input-type=module --eval` has it: a file cannot start with it
  const { child, heard } = start(
    `await say(process.execArgv.join() + " " + process.env.ORT_DISABLE_TELEMETRY + " " + process.env.MINE); done();`,
    { env: { MINE: "kept" } },
  );
  expect(await child.ended).toMatchObject({ code: 0, stderr: "" });
  expect(heard).toEqual([" 1 kept"]);
  const chosen = start(`await say(process.env.ORT_DISABLE_TELEMETRY); done();`, {
    env: { ORT_DISABLE_TELEMETRY: "0" },
  });
  await chosen.child.ended;
  expect(chosen.heard).toEqual(["0"]);
});

test("it can be told more", async () => {
  const { child, heard } = start(`process.once("message", async (more) => { await say(more); done(); });`);
  child.tell("go on");
  expect((await child.ended).code).toBe(0);
  expect(heard).toEqual(["go on"]);
  child.tell("too late"); // it is gone: nobody is told, and nothing is thrown
});

test("of what it writes to standard error the end is kept", async () => {
  const { child } = start(`process.stderr.write("a".repeat(1e5) + "the end", done);`);
  const { stderr } = await child.ended;
  expect(stderr).toHaveLength(4000);
  expect(stderr.endsWith("aathe end")).toBe(true);
});

test.skipIf(process.platform === "win32")("asked to end, it may tidy up first", async () => {
  const started = start(
    `process.on("SIGTERM", () => { writeFileSync(file, "tidied"); process.exit(7); }); await say("ready"); stay();`,
  );
  await untilHeard(started);
  const reason = new Error("enough");
  started.child.stop(reason);
  expect(await started.child.ended).toMatchObject({ code: 7, signal: null, reason });
  expect(readFileSync(started.file, "utf8")).toBe("tidied");
});

test.skipIf(process.platform === "win32")("asked in vain, it is killed after a grace period, not before", async () => {
  const started = start(
    `process.on("SIGTERM", () => { setTimeout(() => writeFileSync(file, "still there"), 200); }); await say("ready"); stay();`,
  );
  await untilHeard(started);
  started.child.stop(new Error("enough"));
  expect(await started.child.ended).toMatchObject({ code: null, signal: "SIGKILL" });
  expect(readFileSync(started.file, "utf8")).toBe("still there");
});

test.skipIf(process.platform === "win32")(
  "killed, it cannot tidy up; the first reason is the one that is told",
  async () => {
    const started = start(`process.on("SIGTERM", () => writeFileSync(file, "")); await say("ready"); stay();`);
    await untilHeard(started);
    const first = new Error("first");
    started.child.kill(first);
    started.child.stop(new Error("second"));
    expect(await started.child.ended).toMatchObject({ signal: "SIGKILL", reason: first });
    expect(existsSync(started.file)).toBe(false);
  },
);

test("a child that gives no answer in time is killed", async () => {
  const { child } = start(`process.on("SIGTERM", () => {}); stay();`, { timeoutMs: 1500 });
  expect(await child.ended).toMatchObject({ signal: "SIGKILL", reason: { message: "it gave no answer in 1.5 s" } });
});

test("one that answers in time is not", async () => {
  const { child } = start(`done();`, { timeoutMs: 60_000 });
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: "" });
});

test.each([
  ["another shape", `{ shout: "x" }`],
  ["a field too many", `{ say: "x", loudly: true }`],
  ["no object", `"x"`],
])("a message that is %s ends it at once, with what is wrong", async (_, message) => {
  const { child, heard } = start(`await send(${message}); stay();`);
  const { signal, reason } = await child.ended;
  expect(signal).toBe("SIGKILL");
  expect(reason).toBeInstanceOf(z.ZodError);
  expect(heard).toEqual([]);
});

test("an abort ends it, with the signal's reason", async () => {
  const controller = new AbortController();
  const started = start(`await say("ready"); stay();`, { signal: controller.signal });
  await untilHeard(started);
  const reason = new Error("enough");
  controller.abort(reason);
  expect((await started.child.ended).reason).toBe(reason);
});

test("a signal that was aborted before ends it too", async () => {
  const reason = new Error("enough");
  const { child, file } = start(`setTimeout(() => { writeFileSync(file, ""); done(); }, 5000);`, {
    signal: AbortSignal.abort(reason),
  });
  expect((await child.ended).reason).toBe(reason);
  expect(existsSync(file)).toBe(false);
});

test("an abort after its end is nothing to it", async () => {
  const controller = new AbortController();
  const { child } = start(`done();`, { signal: controller.signal });
  const end = await child.ended;
  controller.abort(new Error("late"));
  expect(end).not.toHaveProperty("reason");
});

test("it has the environment that it is given, and no other", async () => {
  const { child, heard } = start(`await say(String(process.env.WORD) + process.env.HOME); done();`, {
    env: { WORD: "here" },
  });
  await child.ended;
  expect(heard).toEqual(["hereundefined"]);
});

test("a module that is not there: exit code 1, and Node's words", async () => {
  const { child } = start("", { entry: pathToFileURL(join(tmpdir(), "if-gen-no-such-module.mjs")) });
  const end = await child.ended;
  expect(end.code).toBe(1);
  expect(end.stderr).toMatch(/Cannot find module/);
});

test("a process that cannot be started has no number, and its end says why", async () => {
  const { execPath } = process;
  onTestFinished(() => void (process.execPath = execPath));
  process.execPath = join(tmpdir(), "if-gen-no-such-program");
  const { child } = start("");
  expect(child.pid).toBe(0);
  expect(await child.ended).toMatchObject({ code: null, signal: null, reason: { code: "ENOENT" } });
});
