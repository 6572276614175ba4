/** A user without a home folder, as containers run programs: what is stored is said to be lost. Needs root, to be such a user. */

import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { smallModel } from "../small-model.ts";
import { startModelHub } from "./hub-server.ts";
import { type CliRun, finish, root, startCli, temporaryFolder } from "./run-cli.ts";

const user = { uid: 54321, gid: 54321 };
const program = join(root, "bin", "if-gen.js");
/** May such a user be impersonated here, read the program, and reach the temporary folder? */
const within = `fs.accessSync(${JSON.stringify(program)}); fs.readdirSync(${JSON.stringify(tmpdir())})`;
const read = spawnSync(process.execPath, ["-e", within], user);
const hasNone = spawnSync(process.execPath, ["-e", "os.userInfo()"], user).status !== 0;

/** Nothing of the tests' own environment says where to store things. */
const unset = ["HF_HOME", "HF_HUB_CACHE", "HF_TOKEN_PATH", "HF_TOKEN", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];
const nowhere = Object.fromEntries([...unset, "HOME"].map((name) => [name, ""]));

async function run(args: readonly string[], env: Record<string, string>, input = ""): Promise<CliRun> {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  const prefix = ["bash", "-c", `printf %s '${input}' | "$@"`, "bash"];
  return finish(startCli(args, { cwd: folder, env: { ...nowhere, TMPDIR: folder, ...env }, prefix, user }));
}

const note = /^note: there is no home folder: .*if-gen-home-54321, which does not last; set HOME/m;

describe.skipIf(process.getuid?.() !== 0 || read.status !== 0 || !hasNone)("a user without a home folder", () => {
  const drawing = ["plan", "a cat", "--model", smallModel(), "--execution-provider", "cpu"];
  const bits = ["--text-encoder-bits", "4", "--unet-bits", "8"];

  test("is told so where a token or weights with fewer bits are stored", async () => {
    const login = await run(["login", "--token-stdin"], { HF_HUB_OFFLINE: "1" }, "hf_x");
    expect(login).toMatchObject({ code: 0, stderr: expect.stringMatching(note) });
    const smaller = await run([...drawing, ...bits], {});
    expect(smaller.code).toBe(0);
    expect(smaller.stdout.toString() + smaller.stderr).toMatch(/there is no home folder/);
  });

  test("is told so once before a model is fetched", async () => {
    const hub = await startModelHub();
    const env = { HF_ENDPOINT: hub.url };
    const pulled = await run(["models", "pull", "if-m", "--until", "64"], env);
    expect(pulled).toMatchObject({ code: 0, stderr: expect.stringMatching(note) });
    const plain = ["txt2img", "a cat", "--execution-provider", "cpu", "--stage-1-steps", "1", "-o", "-"];
    const drawn = await run([...plain, "--model", "if-m", "--until", "64", "--safety", "off"], env);
    expect(drawn.code).toBe(0);
    expect(drawn.stderr.match(/there is no home folder/g)).toHaveLength(1);
  });

  test("is told nothing where nothing is lost", async () => {
    const plain = await run(drawing, {});
    expect(plain.stdout.toString() + plain.stderr).not.toContain("home folder");
    const folder = temporaryFolder();
    chmodSync(folder, 0o777);
    const env = { HF_HUB_OFFLINE: "1", HF_HOME: join(folder, "hf") };
    expect((await run(["login", "--token-stdin"], env, "hf_x")).stderr).not.toContain("home folder");
  });
});
