/** `if-gen models ...` and `--model`: the built program against a Hub of tiny checkpoints, from an empty HF_HOME. */

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readPngText } from "../../src/image/png-text.ts";
import { type Cli, type CliResult, createCli, startModelHub } from "./hub-server.ts";
import { type TestHub, commit } from "../hub/server.ts";
import { referenceT5File, storedVariant } from "../golden.ts";

const stage1 = "DeepFloyd/IF-I-M-v1.0";
const offline = { HF_HUB_OFFLINE: "1" };

async function start(): Promise<{ hub: TestHub; cli: Cli; run: Cli["run"] }> {
  const hub = await startModelHub();
  const cli = await createCli(hub);
  return { hub, cli, run: cli.run };
}

/** @returns the result of a command that must succeed. */
async function succeed(cli: Cli, args: readonly string[], options?: Parameters<Cli["run"]>[1]): Promise<CliResult> {
  const result = await cli.run(args, options);
  expect(result.code, `${args.join(" ")}: ${result.stderr}`).toBe(0);
  return result;
}

/** Everything in the cache that has content. */
function blobs(cli: Cli, repo = ""): string[] {
  const root = join(cli.home, "hub");
  const names = existsSync(root) ? readdirSync(root, { recursive: true, encoding: "utf8" }) : [];
  const isBlob = (name: string): boolean =>
    name.includes(`${join("blobs", "x").slice(0, -1)}`) && lstatSync(join(root, name)).isFile();
  return names.filter((name) => isBlob(name) && name.includes(repo.replace("/", "--")));
}

const fetched = (hub: TestHub, ending: string): number => hub.seen.filter(({ path }) => path.endsWith(ending)).length;

const draw = ["txt2img", "a red circle", "--seed", "1", "--stage-1-steps", "2", "--until", "64", "--safety", "off"];

test("pull, then draw offline; what is there is not fetched again", async () => {
  const { hub, cli } = await start();
  const pulled = await succeed(cli, ["models", "pull", "if-m"]);
  expect(pulled.stderr).toMatch(/if-m is here: .* fetched and checked/);
  expect(blobs(cli, "x4-upscaler").length).toBeGreaterThan(5);
  expect(hub.seen.filter(({ path }) => /\.(bin|onnx|ckpt)|README|ema/.test(path))).toEqual([]);
  const requests = hub.seen.length;
  await succeed(cli, [...draw, "--model", "if-m", "-o", "car.png"], { env: offline });
  expect(hub.seen).toHaveLength(requests);
  const parameters = (await readPngText(join(cli.folder, "car.png"))).get("parameters");
  expect(parameters).toContain("Model: if-m");
  const again = await succeed(cli, ["models", "pull", "if-m"]);
  expect(again.stderr).toMatch(/nothing was missing/);
  expect(fetched(hub, "unet/config.json")).toBe(3); // one of each repository, in the first pull
});

test("--model fetches what it needs, with progress on standard error, and nothing more", async () => {
  const { hub, cli } = await start();
  const { stdout, stderr } = await succeed(cli, [...draw, "--model", "if-m", "-o", "car.png", "--json"]);
  expect(stderr).toMatch(/DeepFloyd\/IF-I-M-v1\.0: fetching [\d.]+ [kM]B/);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string });
  expect(events.filter(({ type }) => type === "download").length).toBeGreaterThan(0);
  expect(events.at(-1)).toMatchObject({ type: "result", seed: 1 });
  expect(hub.seen.filter(({ path }) => path.includes("IF-II") || path.includes("upscaler"))).toEqual([]);
  const quiet = await createCli(hub);
  expect((await succeed(quiet, ["models", "pull", "if-m", "--quiet"])).stderr).toBe("");
  const noBars = { HF_HUB_DISABLE_PROGRESS_BARS: "1" };
  const plain = await succeed(await createCli(hub), ["models", "pull", "if-m"], { env: noBars });
  expect(plain.stderr).not.toContain("fetching");
});

test("offline and not there: which command fetches it", async () => {
  const { hub, cli } = await start();
  const { code, stderr, stdout } = await cli.run([...draw, "--model", "if-m"], { env: offline });
  expect({ code, stdout }).toEqual({ code: 8, stdout: "" });
  expect(stderr).toMatch(
    /IF-I-M-v1\.0 is not in the cache and HF_HUB_OFFLINE.*run if-gen models pull if-m first\. \[HUB\]/,
  );
  const dry = await cli.run([...draw, "--model", "if-m", "--dry-run"]);
  expect(dry).toMatchObject({ code: 8, stderr: expect.stringMatching(/--dry-run fetches nothing/) });
  expect(hub.seen).toEqual([]);
});

test("--dry-run says what a pull would fetch, and fetches nothing", async () => {
  const { cli } = await start();
  const { stdout } = await succeed(cli, ["models", "pull", "if-m", "--dry-run"]);
  expect(stdout).toMatch(/DeepFloyd\/IF-I-M-v1\.0@0123456789abcdef.*: [\d.]+ [kM]B, [\d.]+ [kM]B to fetch/);
  expect(stdout).toMatch(/text_encoder\/model\.8bit\.safetensors +[\d.]+ kB/);
  const json = JSON.parse((await succeed(cli, ["models", "pull", "if-m", "--dry-run", "--json"])).stdout) as unknown;
  expect(json).toMatchObject([{ repo: stage1, revision: "main", commit, variants: { text_encoder: "8bit" } }, {}, {}]);
  expect(blobs(cli)).toEqual([]);
  expect(existsSync(join(cli.home, "if-gen.lock.json"))).toBe(false);
});

test("--variant, --until, --revision", async () => {
  const { hub, cli } = await start();
  const args = ["models", "pull", "if-m", "--until", "64", "--variant", storedVariant];
  await succeed(cli, args);
  expect(fetched(hub, `text_encoder/${referenceT5File}`)).toBe(1);
  expect(fetched(hub, "text_encoder/model.8bit.safetensors")).toBe(0);
  expect(blobs(cli, "IF-II")).toEqual([]);
  const unknown = await cli.run(["models", "pull", "if-m", "--revision", "v9"]);
  expect(unknown).toMatchObject({ code: 8, stderr: expect.stringMatching(/no revision "v9"/) });
  for (const repo of hub.repos.values()) repo.refs["v1"] = commit;
  const { stderr } = await succeed(cli, ["models", "pull", "if-m", "--until", "64", "--revision", "v1"]);
  expect(stderr).toContain(`--stage-1-model ${stage1}@v1`);
  const { stdout } = await succeed(cli, [...draw, "--stage-1-model", `${stage1}@v1`, "--dry-run"], { env: offline });
  expect(stdout).toContain(join("models--DeepFloyd--IF-I-M-v1.0", "snapshots", commit));
});

describe("a licence", () => {
  test("not accepted, and no token: what to do; the same from --model", async () => {
    const { hub, cli } = await start();
    const repo = hub.repos.get(stage1);
    if (repo) repo.gated = true;
    for (const args of [
      ["models", "pull", "if-m"],
      [...draw, "--model", "if-m"],
    ]) {
      const { code, stderr } = await cli.run(args);
      expect(code).toBe(8);
      expect(stderr).toMatch(/IF-I-M-v1\.0 is gated: open http\S+\/DeepFloyd\/IF-I-XL-v1\.0 and accept its licence/);
      expect(stderr).toMatch(/if-gen login, set HF_TOKEN, or pass --token-stdin/);
    }
  });

  test("accepted: by HF_TOKEN, or a token on standard input that is stored nowhere", async () => {
    const { hub, cli } = await start();
    const repo = hub.repos.get(stage1);
    if (repo) repo.gated = true;
    const args = ["models", "pull", "if-m", "--until", "64"];
    const refused = await cli.run([...args, "--token-stdin"], { stdin: "hf_good\n" });
    expect(refused.stderr).toMatch(/your token's account has not accepted/);
    hub.accepted.add("somebody");
    await succeed(cli, [...args, "--token-stdin"], { stdin: "hf_good\n" });
    await succeed(await createCli(hub), args, { env: { HF_TOKEN: "hf_good" } });
    expect(hub.seen.filter(({ host, headers }) => host === "store" && headers.authorization !== undefined)).toEqual([]);
    expect(readdirSync(cli.home).toSorted()).toEqual(["hub", "if-gen.lock.json"]);
    expect(
      `${refused.stdout}${refused.stderr}${readFileSync(join(cli.home, "if-gen.lock.json"), "utf8")}`,
    ).not.toContain("hf_good");
  });
});

test("verify finds one flipped bit, and the next pull mends it", async () => {
  const { cli } = await start();
  const pull = ["models", "pull", "if-m", "--until", "64"];
  await succeed(cli, pull);
  const part = await cli.run(["models", "verify", "if-m"]);
  expect(part).toMatchObject({
    code: 8,
    stdout: expect.stringMatching(/IF-I-M-v1\.0: 14 files, [\d.]+ [kM]B, all right/),
  });
  expect(part.stderr).toMatch(/IF-II-M-v1\.0 and stabilityai\S+: not here/);
  await succeed(cli, ["models", "pull", "if-m"]);
  expect((await succeed(cli, ["models", "verify", "if-m"])).stdout.match(/all right/g)).toHaveLength(3);

  const weights = join(
    cli.home,
    "hub",
    "models--DeepFloyd--IF-I-M-v1.0",
    "snapshots",
    commit,
    "text_encoder",
    "model.8bit.safetensors",
  );
  const bytes = readFileSync(weights);
  bytes[50_000] = (bytes[50_000] ?? 0) ^ 4;
  writeFileSync(weights, bytes);
  const json = await cli.run(["models", "verify", "if-m", "--json"]);
  expect(json).toMatchObject({ code: 8, stderr: expect.stringMatching(/model\.8bit\.safetensors: its sha256/) });
  const files = (JSON.parse(json.stdout) as { repositories: { files: { path: string; ok: boolean }[] }[] })
    .repositories;
  expect(files.flatMap((repo) => repo.files).filter(({ ok }) => !ok)).toMatchObject([
    { path: "text_encoder/model.8bit.safetensors" },
  ]);
  const removed = await cli.run(["models", "verify", "if-m", "--remove-damaged"]);
  expect(removed.stderr).toMatch(/1 of if-m's files are damaged; they were removed/);
  expect((await succeed(cli, pull)).stderr).toMatch(/[\d.]+ kB fetched and checked/);
  await succeed(cli, ["models", "verify", "if-m"]);
});

test("verify without pins or network reads the hashes from the links", async () => {
  const { hub, cli } = await start();
  await succeed(cli, ["models", "pull", "if-m"]);
  writeFileSync(join(cli.home, "if-gen.lock.json"), '{"version":1,"repositories":{}}');
  const requests = hub.seen.length;
  expect((await succeed(cli, ["models", "verify", "if-m"])).stdout.match(/all right/g)).toHaveLength(3);
  expect(hub.seen).toHaveLength(requests);
});

test("two models share the upscaler; rm leaves it to the other", async () => {
  const { hub, cli } = await start();
  await succeed(cli, ["models", "pull", "if-m"]);
  await succeed(cli, ["models", "pull", "if-xl"]);
  expect(hub.seen.filter(({ host }) => host === "store").filter(({ path }) => path.includes("upscaler"))).toHaveLength(
    3,
  );
  const refused = await cli.run(["models", "rm", "if-xl"]);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/--yes/) });
  const { stderr } = await succeed(cli, ["models", "rm", "if-xl", "--yes"]);
  expect(stderr).toMatch(/stabilityai\/stable-diffusion-x4-upscaler stays: if-m uses it/);
  expect(stderr).toMatch(/removed DeepFloyd\/IF-I-XL-v1\.0, [\d.]+ [kM]B/);
  expect(blobs(cli, "IF-I-XL")).toEqual([]);
  await succeed(cli, ["models", "verify", "if-m"]);
  const rest = await succeed(cli, ["models", "rm", "if-m", "--yes"]);
  expect(rest.stderr.match(/^removed /gm)).toHaveLength(3);
  expect(blobs(cli)).toEqual([]);
  expect(readFileSync(join(cli.home, "if-gen.lock.json"), "utf8")).not.toContain("DeepFloyd");
  expect((await succeed(cli, ["models", "rm", "if-m", "--yes"])).stderr).toMatch(/nothing of if-m/);
  expect(await cli.run(["models", "rm", "demo", "--yes"])).toMatchObject({ code: 2 });
});

test("two pulls at once: one copy, both right", async () => {
  const { hub, cli } = await start();
  hub.faults.pieceMs = 1;
  const results = await Promise.all([1, 2].map(() => cli.run(["models", "pull", "if-m", "--until", "64"])));
  expect(results.map(({ code, stderr }) => [code, stderr.includes("is here")])).toEqual([
    [0, true],
    [0, true],
  ]);
  const stored = hub.seen.filter(({ host }) => host === "store").map(({ path }) => path);
  expect(stored.length).toBeGreaterThan(3);
  expect(stored).toHaveLength(new Set(stored).size); // each file once
  expect(blobs(cli).filter((name) => /incomplete|tmp/.test(name))).toEqual([]);
  expect((await cli.run(["models", "verify", "if-m"])).stdout).toMatch(/all right/);
});

test("list, show, path", async () => {
  const { cli } = await start();
  const first = await succeed(cli, ["models", "list"]);
  expect(first.stderr).toMatch(
    /^note: before if-xl, if-l, if-m can be fetched, accept their licence \(.*IF-I-XL-v1\.0\)/,
  );
  const empty = first.stdout.split("\n");
  expect(empty[0]).toMatch(/^NAME +SIZE +HERE +MEMORY +DISK +WHAT$/);
  expect(empty[2]).toMatch(/^if-xl +~23\.1 GB +no /);
  expect((await cli.run(["models", "path", "if-m"])).stderr).toMatch(
    /IF-I-M-v1\.0 is not here; run if-gen models pull if-m/,
  );

  await succeed(cli, ["models", "pull", "if-m", "--until", "256"]);
  expect((await succeed(cli, ["models", "list"])).stdout).toMatch(/^if-m +~\S+ GB +2 of 3 stages /m);
  await succeed(cli, ["models", "pull", "if-m"]);
  const list = JSON.parse((await succeed(cli, ["models", "list", "--json"])).stdout) as { name: string }[];
  expect(list.find(({ name }) => name === "if-m")).toMatchObject({ present: true, missingBytes: 0, exact: true });
  expect(list.find(({ name }) => name === "if-xl")).toMatchObject({ present: false, exact: false });

  const { stdout } = await succeed(cli, ["models", "path", "if-m"]);
  const folders = stdout.trim().split("\n");
  expect(folders).toHaveLength(3);
  for (const folder of folders) expect(existsSync(join(folder, "unet", "config.json"))).toBe(true);
  const paths = JSON.parse((await succeed(cli, ["models", "path", "if-m", "--json"])).stdout) as unknown;
  expect(paths).toEqual({ stage1: folders[0], stage2: folders[1], stage3: folders[2] });

  const shown = (await succeed(cli, ["models", "show", "if-m"])).stdout;
  expect(shown).toMatch(/licence +DeepFloyd IF License/);
  expect(shown).toMatch(/accept at +http\S+\/DeepFloyd\/IF-I-XL-v1\.0/);
  expect(shown).toMatch(/text_encoder\/model\.8bit\.safetensors +[\d.]+ kB +sha256 [0-9a-f]{64}/);
  const json = JSON.parse((await succeed(cli, ["models", "show", "if-m", "--json"])).stdout) as object;
  expect(json).toMatchObject({ name: "if-m", stages: [{ repo: stage1, commit }, {}, {}] });
  expect(await cli.run(["models", "show", "none"])).toMatchObject({ code: 4 });
});

test("a model of the user's own, from the configuration folder and from --models-file", async () => {
  const { cli } = await start();
  const stages = { stage1, stage2: "DeepFloyd/IF-II-M-v1.0", stage3: "stabilityai/stable-diffusion-x4-upscaler" };
  const models = { cascades: { mine: { description: "my own", license: "mine", stages } } };
  writeFileSync(join(cli.folder, "mine.json"), JSON.stringify(models));
  const listed = await succeed(cli, ["models", "list", "--models-file", "mine.json"]);
  expect(listed.stdout).toMatch(/^mine +\S+ \S+ +no +unknown .*my own$/m);
  expect(await cli.run([...draw, "--model", "mine"])).toMatchObject({ code: 4 });
  await succeed(cli, ["models", "pull", "mine", "--models-file", "mine.json", "--until", "64"]);
  mkdirSync(join(cli.folder, "config", "if-gen"), { recursive: true });
  writeFileSync(join(cli.folder, "config", "if-gen", "models.json"), JSON.stringify(models));
  const { stdout } = await succeed(cli, [...draw, "--model", "mine", "--dry-run"]);
  expect(stdout).toMatch(/^model +mine$/m);
});

describe("plan of a model that is not here", () => {
  const plan = ["plan", "--model", "if-m", "--execution-provider", "cpu"];

  test("says what fetching it takes and what its stages need, from configs and headers alone", async () => {
    const { hub, cli } = await start();
    const { stdout } = await succeed(cli, plan, { env: { TMPDIR: cli.folder } });
    expect(stdout).toMatch(/^stage-1 .*DeepFloyd\/IF-I-M-v1\.0$/m);
    expect(stdout).toMatch(/^to fetch [\d.]+ [kM]B: /m);
    expect(stdout).toMatch(/^ {2}DeepFloyd\/IF-II-M-v1\.0 +[\d.]+ [kM]B of [\d.]+ [kM]B$/m);
    expect(stdout).toMatch(/^disk +fits: /m);
    expect(stdout).toMatch(/it fits this machine's budget\n$/);
    expect(blobs(cli)).toEqual([]);
    expect(readdirSync(cli.folder).filter((name) => name.startsWith("if-gen-"))).toEqual([]);
    const weights = hub.seen.filter(({ host, headers }) => host === "store" && headers.range !== undefined);
    expect(weights.length).toBeGreaterThan(5);
    expect(weights.every(({ headers }) => /^bytes=0-\d+$/.test(String(headers.range)))).toBe(true);
  });

  test("needs the same as the fetched model", async () => {
    const { cli } = await start();
    interface Planned {
      memory: { needs: unknown };
      download?: { missingBytes: number; fetchedBytes: number };
    }
    const read = async (): Promise<Planned> => JSON.parse((await succeed(cli, [...plan, "--json"])).stdout) as Planned;
    const before = await read();
    const listed = JSON.parse((await succeed(cli, ["models", "pull", "if-m", "--dry-run", "--json"])).stdout) as {
      missingBytes: number;
    }[];
    expect(before.download?.missingBytes).toBe(listed.reduce((sum, { missingBytes }) => sum + missingBytes, 0));
    await succeed(cli, ["models", "pull", "if-m"]);
    const after = await read();
    expect(after.download).toBeUndefined();
    expect(before.memory.needs).toEqual(after.memory.needs);
  });

  test("too large: which options make it fit, and exit code 3", async () => {
    const { cli } = await start();
    const { code, stdout, stderr } = await cli.run([...plan, "--until", "64", "--ram-budget", "1MB"]);
    expect(stdout).toMatch(/it does not fit, not even with smaller weights\n$/);
    expect(stderr).toMatch(/^if-gen: \S+ does not fit the memory budget; see above\. \[MEMORY_BUDGET\]$/m);
    expect(code).toBe(3);
  });

  test("behind a licence, and offline: as a pull says it", async () => {
    const { hub, cli } = await start();
    const repo = hub.repos.get(stage1);
    if (repo) repo.gated = true;
    const gated = await cli.run(plan);
    expect(gated).toMatchObject({ code: 8, stdout: "" });
    expect(gated.stderr).toMatch(/licence/);
    const away = await cli.run(plan, { env: offline });
    expect(away.stderr).toMatch(/is not in the cache and HF_HUB_OFFLINE/);
    expect(away.code).toBe(8);
  });
});
