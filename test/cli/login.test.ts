/** `login`, `logout`, `whoami`: the built program and a test Hub. */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { IfGenError } from "../../src/errors.ts";
import { machineMark } from "../../src/files/draft.ts";
import { readHiddenLine } from "../../src/cli/read-token.ts";
import { createCli } from "./hub-server.ts";
import { startHub } from "../hub/server.ts";

const token = "hf_good";

describe("login", () => {
  test("stores a token that the Hub knows where Python keeps it, for its owner's eyes only", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    const { code, stdout, stderr } = await cli.run(["login", "--token-stdin"], { stdin: `${token}\n` });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toContain("stored somebody's token");
    const file = join(cli.home, "token");
    expect(readFileSync(file, "utf8")).toBe(token);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(cli.home)).toEqual(["token"]);
    expect((await cli.run(["whoami"])).stdout).toBe("somebody\n");
    expect(JSON.parse((await cli.run(["whoami", "--json"])).stdout)).toEqual({
      name: "somebody",
      endpoint: hub.url,
      tokenFrom: file,
    });
  });

  test("a file that others could read does not stay readable", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    mkdirSync(cli.home);
    const file = join(cli.home, "token");
    writeFileSync(file, "old", { mode: 0o644 });
    const gone = spawnSync(process.execPath, ["-e", ""]).pid; // a login that was killed
    writeFileSync(join(cli.home, `.if-gen-${machineMark()}-${gone}-0123abcd.tmp`), "hf_older");
    await cli.run(["login", "--token-stdin"], { stdin: token });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toBe(token);
    expect(readdirSync(cli.home)).toEqual(["token"]);
  });

  test("HF_TOKEN_PATH; a token in the environment goes before it", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    const file = join(cli.folder, "deep", "secret");
    const env = { HF_TOKEN_PATH: file, HF_TOKEN: "hf_other" };
    const { code, stderr } = await cli.run(["login", "--token-stdin"], { stdin: token, env });
    expect(code).toBe(0);
    expect(stderr).toMatch(/HF_TOKEN is set and goes before it/);
    expect(readFileSync(file, "utf8")).toBe(token);
    expect(hub.seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`]);
  });

  test("offline it is stored unchecked", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    const env = { HF_HUB_OFFLINE: "1" };
    const { code, stderr } = await cli.run(["login", "--token-stdin"], { stdin: token, env });
    expect({ code, requests: hub.seen.length }).toEqual({ code: 0, requests: 0 });
    expect(stderr).toMatch(/unchecked/);
    expect(existsSync(join(cli.home, "token"))).toBe(true);
  });

  test.each([
    ["a token the Hub does not know", "hf_wrong-secret", 8, /does not accept the token/],
    ["nothing", "", 2, /no token was given/],
    ["blanks only", " \n", 2, /no token was given/],
    ["words", "hf_a wrong-secret", 2, /that is no token/],
    ["signs", "hf_\u00e9wrong-secret", 2, /that is no token/],
    ["endless input", "wrong-secret".repeat(10_000), 2, /that is no token/],
  ])("%s is not stored, and not repeated", async (_, stdin, code, words) => {
    const hub = await startHub();
    const cli = await createCli(hub);
    const result = await cli.run(["login", "--token-stdin"], { stdin });
    expect(result).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(words) });
    expect(result.stderr).not.toContain("wrong-secret");
    expect(existsSync(join(cli.home, "token"))).toBe(false);
  });

  test("without a terminal it does not ask; a token is no argument", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    expect(await cli.run(["login"])).toMatchObject({ code: 2, stderr: expect.stringMatching(/--token-stdin/) });
    expect(await cli.run(["login", token])).toMatchObject({ code: 2 });
    expect(await cli.run(["login", "--token", token])).toMatchObject({ code: 2 });
  });

  test("a place that cannot be written to", async () => {
    const hub = await startHub();
    const cli = await createCli(hub);
    writeFileSync(join(cli.folder, "file"), "");
    const env = { HF_TOKEN_PATH: join(cli.folder, "file", "token") };
    const { code, stderr } = await cli.run(["login", "--token-stdin"], { stdin: token, env });
    expect(code).toBe(8);
    expect(stderr).toMatch(/cannot be stored in .*(ENOTDIR|EEXIST)/);
    expect(stderr).not.toContain(token);
  });
});

test("logout removes it, once", async () => {
  const hub = await startHub();
  const cli = await createCli(hub);
  await cli.run(["login", "--token-stdin"], { stdin: token });
  expect(await cli.run(["logout"])).toMatchObject({ code: 0, stderr: expect.stringMatching(/^removed the token/) });
  expect(existsSync(join(cli.home, "token"))).toBe(false);
  const again = await cli.run(["logout"], { env: { HF_TOKEN: token } });
  expect(again).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/nobody is logged in[^]*HF_TOKEN is still set/),
  });
});

test("whoami: no token, a wrong one", async () => {
  const hub = await startHub();
  const cli = await createCli(hub);
  expect(await cli.run(["whoami"])).toMatchObject({ code: 8, stderr: expect.stringMatching(/if-gen login/) });
  const { code, stderr } = await cli.run(["whoami"], { env: { HF_TOKEN: "hf_wrong-secret" } });
  expect(code).toBe(8);
  expect(stderr).toMatch(/does not accept the token/);
  expect(stderr).not.toContain("wrong-secret");
});

describe("what is typed", () => {
  const type = (...keys: string[]): Promise<string> => {
    const keyboard = new PassThrough();
    for (const key of keys) keyboard.write(key);
    keyboard.end();
    return readHiddenLine(keyboard);
  };

  test("ends with Enter, can be corrected, ends with the input", async () => {
    expect(await type("hf_", "goo", "d\r", "more")).toBe("hf_good");
    expect(await type("hf_x\u007fgoox\bd\n")).toBe("hf_good");
    expect(await type("hf_good")).toBe("hf_good");
    expect(await type("\u007f\r")).toBe("");
  });

  test("Ctrl-C interrupts", async () => {
    await expect(type("hf_g\u0003")).rejects.toThrow(IfGenError);
    await expect(type("hf_g\u0003")).rejects.toMatchObject({ code: "INTERRUPTED" });
  });

  test("is not shown on a terminal", async ({ skip }) => {
    const pseudoTerminal = "/usr/bin/script"; // a terminal for the program to ask on
    if (!existsSync(pseudoTerminal)) skip();
    const hub = await startHub();
    const cli = await createCli(hub);
    const program = join(import.meta.dirname, "..", "..", "bin", "if-gen.js");
    const env = { PATH: process.env["PATH"] ?? "", HOME: cli.folder, HF_HOME: cli.home, HF_ENDPOINT: hub.url };
    const child = spawn(pseudoTerminal, ["-qec", `${process.execPath} ${program} login`, "/dev/null"], {
      env,
      stdio: "pipe",
    });
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (!shown.includes("not shown") && (shown + chunk.toString()).includes("not shown")) {
        child.stdin.write(`${token}\r`);
      }
      shown += chunk.toString();
    });
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    expect(shown).toContain("stored somebody's token");
    expect(shown).not.toContain(token);
    expect(readFileSync(join(cli.home, "token"), "utf8")).toBe(token);
  });
});
