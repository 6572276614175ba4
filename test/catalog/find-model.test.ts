/** `--model`: names, folders and repositories -> three checkpoint folders; which files are chosen; what is pinned. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { CheckpointError, HubError } from "../../src/errors.ts";
import type { HubSettings, RepoFile } from "../../src/hub/types.ts";
import { readManifest, stagesIn } from "../../src/catalog/manifest.ts";
import { type ModelRequest, type ModelSources, findModel } from "../../src/catalog/find-model.ts";
import { addPin, pinKey, pinsPath, readPins, removePins } from "../../src/catalog/pins.ts";
import { carryOutPull, planPull } from "../../src/catalog/pull.ts";
import { selectFiles } from "../../src/catalog/select-files.ts";
import { repositoryLayouts } from "../../src/plan/stages.ts";
import { startModelHub } from "../cli/hub-server.ts";
import { goldenPath, hasGolden, referenceT5File, storedVariant } from "../golden.ts";
import { settingsFor, temporaryFolder } from "../hub/cache.ts";
import { type TestHub, commit } from "../hub/server.ts";
import type { Model } from "../../src/plan/model.ts";

const manifest = readManifest(undefined, "/nowhere/models.json");

/** A listing with one file per path; 1 byte each. */
const listing = (...paths: string[]): RepoFile[] => paths.map((path) => ({ path, bytes: 1, gitOid: "0".repeat(40) }));

const unet = ["unet/config.json", "scheduler/scheduler_config.json", "image_noising_scheduler/scheduler_config.json"];

const select = (paths: readonly string[], variant?: "fp32" | "fp16" | "8bit"): string[] =>
  selectFiles("a/b", listing(...unet, ...paths), repositoryLayouts.stage2, variant).files.map(({ path }) => path);

describe("which files", () => {
  const fp16 = "unet/diffusion_pytorch_model.fp16.safetensors";
  const fp32 = "unet/diffusion_pytorch_model.safetensors";

  test("the smallest variant, no pickle, no other folder", () => {
    const others = [
      "README.md",
      "unet/diffusion_pytorch_model.bin",
      "unet/diffusion_pytorch_model.fp16.bin",
      "unet/model.onnx",
      "unet/deep/config.json",
      "text_encoder/model.8bit.safetensors",
      "if-ii.ckpt",
    ];
    expect(select([fp16, fp32, "model_index.json", ...others]).toSorted()).toEqual(
      ["model_index.json", ...unet, fp16].toSorted(),
    );
  });

  test("the wanted variant; one that no unet is published in is not about it", () => {
    expect(select([fp16, fp32], "fp32")).toContain(fp32);
    expect(select([fp16, fp32], "fp32")).not.toContain(fp16);
    expect(select([fp16, fp32], "8bit")).toContain(fp16);
    expect(() => select([fp32], "fp16")).toThrow(/a\/b: unet has no fp16 weights, only fp32/);
  });

  test.each(["unet/diffusion_pytorch_model.bf16.safetensors", "unet/model.bf16.safetensors"])(
    "%s is taken where it is alone, as half precision",
    (bf16) => {
      expect(select([bf16])).toContain(bf16);
      expect(select([bf16], "fp16")).toContain(bf16);
      expect(() => select([bf16], "fp32")).toThrow(/has no fp32 weights, only fp16/);
      for (const other of [fp16, fp32]) expect(select([bf16, other])).not.toContain(bf16);
    },
  );

  test("bf16 in shards, with its index", () => {
    const [index, ...shards] = [
      "unet/diffusion_pytorch_model.bf16.safetensors.index.json",
      "unet/diffusion_pytorch_model.bf16-00001-of-00002.safetensors",
      "unet/diffusion_pytorch_model.bf16-00002-of-00002.safetensors",
    ];
    expect(select([index ?? "", ...shards])).toEqual(expect.arrayContaining([index, ...shards]));
  });

  test.each([
    ["pickles", ["unet/diffusion_pytorch_model.bin"], /unet has weights only as diffusion_pytorch_model\.bin/],
    ["other names", ["unet/model.int4.safetensors"], /no weights such as .*\("model\.int4\.safetensors" is a name/],
    ["a LoRA in a network's folder", ["unet/pytorch_lora_weights.safetensors"], /unet holds a LoRA/],
    ["an index alone", ["unet/model.safetensors.index.json"], /has model\.safetensors\.index\.json but not all of its/],
  ])("%s instead of weights are named", (_, paths, words) => {
    expect(() => select(paths)).toThrow(words);
  });

  test("a repository of a LoRA is recognised as one", () => {
    const lora = listing("pytorch_lora_weights.safetensors", "README.md");
    expect(() => selectFiles("a/lora", lora, repositoryLayouts.stage2)).toThrow(/a\/lora holds a LoRA/);
  });

  test.each([
    ["variant, number", "diffusion_pytorch_model.fp16-0000N-of-00002.safetensors"],
    ["number, variant", "diffusion_pytorch_model-0000N-of-00002.fp16.safetensors"],
  ])("shards with their index: %s", (_, pattern) => {
    const shards = ["1", "2"].map((n) => `unet/${pattern.replace("N", n)}`);
    const index = "unet/diffusion_pytorch_model.safetensors.index.fp16.json";
    expect(select([fp32, index, ...shards])).toEqual(expect.arrayContaining([index, ...shards]));
    const incomplete = select([fp32, index, shards[0] ?? ""]);
    expect(incomplete).toContain(fp32);
    expect(incomplete).not.toContain(index);
    expect(incomplete).not.toContain(shards[0]);
  });

  test("errors name the repository and the folder", () => {
    expect(() => select([])).toThrow(/a\/b: unet has no weights such as model\.safetensors; choose another/);
    expect(() => selectFiles("a/b", listing(fp16, "unet/config.json"), repositoryLayouts.stage2)).toThrow(
      /a\/b has no folder scheduler/,
    );
    expect(() => select([])).toThrow(CheckpointError);
  });
});

interface House {
  readonly hub: TestHub;
  readonly settings: HubSettings;
  readonly home: string;
  readonly find: (request: Partial<ModelRequest>, sources?: Partial<ModelSources>) => Promise<Model>;
}

async function startHouse(): Promise<House> {
  const hub = await startModelHub();
  const home = await temporaryFolder();
  const settings = settingsFor(hub, join(home, "hub"));
  return {
    hub,
    settings,
    home,
    find: (request, sources) =>
      findModel({ model: "if-m", until: 64, ...request }, { manifest, settings, home, download: {}, ...sources }),
  };
}

/** @returns the request's error, which must be of this class. */
async function errorOf(run: Promise<unknown>, kind: typeof HubError | typeof CheckpointError): Promise<string> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return (error as Error).message;
}

/** The full reference set has fp16 weights too. */
const smallest = (stem: string): string =>
  hasGolden("checkpoints", "if-i", `${stem}.fp16.safetensors`) ? `${stem}.fp16.safetensors` : `${stem}.safetensors`;

const weightsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".safetensors"))
    .toSorted();

describe("a cascade of the Hub", () => {
  test("is fetched as far as it is needed, and found again without a request", async () => {
    const { hub, find } = await startHouse();
    const seen: string[] = [];
    const model = await find({}, { download: { onProgress: (repo, { kind }) => seen.push(`${repo} ${kind}`) } });
    expect(weightsIn(model.checkpoints.stage1)).toEqual([
      smallest("safety_checker/model"),
      "text_encoder/model.8bit.safetensors",
      smallest("unet/diffusion_pytorch_model"),
      "watermarker/diffusion_pytorch_model.safetensors",
    ]);
    expect(existsSync(join(model.checkpoints.stage1, "tokenizer", "spiece.model"))).toBe(true);
    expect(new Set(seen.map((line) => line.split(" ")[0]))).toEqual(new Set(["DeepFloyd/IF-I-M-v1.0"]));
    expect(model.defaults.stage1).toEqual({ steps: 100, guidance: 7 });
    const requests = hub.seen.length;
    expect(await find({})).toEqual(model);
    expect(hub.seen).toHaveLength(requests);
  });

  test("another variant is fetched beside the first", async () => {
    const { find, home } = await startHouse();
    const first = await find({});
    const second = await find({ variant: storedVariant });
    expect(second.checkpoints.stage1).toBe(first.checkpoints.stage1);
    expect(weightsIn(second.checkpoints.stage1)).toEqual(
      expect.arrayContaining(["text_encoder/model.8bit.safetensors", `text_encoder/${referenceT5File}`]),
    );
    const pinned = readPins(home)
      .get(pinKey("DeepFloyd/IF-I-M-v1.0", "main"))
      ?.files.map(({ path }) => path);
    expect(pinned).toEqual(
      expect.arrayContaining(["text_encoder/model.8bit.safetensors", `text_encoder/${referenceT5File}`]),
    );
  });

  test("what another program has downloaded is used as it lies", async () => {
    const { hub, settings, find } = await startHouse();
    await layOut(settings, "DeepFloyd/IF-I-M-v1.0", goldenPath("checkpoints", "if-i"));
    const model = await find({}, { settings: { ...settings, offline: true } });
    expect(model.checkpoints.stage1).toContain(commit);
    expect(hub.seen).toHaveLength(0);
  });

  test("a part of it that is missing is fetched; offline only what a stage can do without may be", async () => {
    const { settings, find } = await startHouse();
    const offline = { settings: { ...settings, offline: true } };
    const folder = await layOut(settings, "DeepFloyd/IF-I-M-v1.0", goldenPath("checkpoints", "if-i"));
    await rm(join(folder, "watermarker"), { recursive: true });
    const notes: string[] = [];
    await find({}, { ...offline, onNote: (text) => notes.push(text) });
    expect(notes).toEqual([expect.stringMatching(/IF-I-M-v1\.0 is in the cache without watermarker/)]);
    for (const name of weightsIn(join(folder, "unet"))) await rm(join(folder, "unet", name));
    expect(await errorOf(find({}, offline), HubError)).toMatch(
      /lacks unet and watermarker.*if-gen models pull if-m first/,
    );
    const model = await find({});
    expect(existsSync(join(model.checkpoints.stage1, "watermarker", "config.json"))).toBe(true);
  });

  test("offline and not there, or nothing to be fetched: says how to get it", async () => {
    const { settings, find } = await startHouse();
    const offline = { settings: { ...settings, offline: true } };
    expect(await errorOf(find({ variant: "fp16" }, offline), HubError)).toMatch(
      /^DeepFloyd\/IF-I-M-v1\.0 is not in the cache and HF_HUB_OFFLINE.*run if-gen models pull if-m --variant fp16 first\.$/,
    );
    const { download: _, ...dry } = { manifest, settings, home: "/nowhere", download: {} };
    const request = { model: "if-m", until: 64 } as const;
    expect(await errorOf(findModel(request, dry), HubError)).toMatch(/--dry-run fetches nothing/);
  });

  test("what was pulled stays pinned when the Hub has something newer", async () => {
    const { hub, settings, home, find } = await startHouse();
    const model = await find({});
    const served = hub.repos.get("DeepFloyd/IF-I-M-v1.0");
    if (served) served.refs["main"] = "f".repeat(40);
    const source = { kind: "hub", repo: "DeepFloyd/IF-I-M-v1.0", revision: "main" } as const;
    const again = await planPull(settings, home, "stage1", source);
    expect(again).toMatchObject({ isPinned: true, missingBytes: 0, listing: { commit } });
    expect((await carryOutPull(settings, home, again)).folder).toBe(model.checkpoints.stage1);
  });
});

/** Lays a checkpoint out in the cache as Python does: ref, blobs, links. */
async function layOut(settings: HubSettings, repo: string, checkpoint: string): Promise<string> {
  const root = join(settings.cacheFolder, `models--${repo.replace("/", "--")}`);
  const folder = join(root, "snapshots", commit);
  for (const name of readdirSync(checkpoint, { recursive: true, encoding: "utf8" })) {
    const target = join(folder, name);
    await mkdir(dirname(target), { recursive: true });
    if (/\.\w+$/.test(name)) await symlink(join(checkpoint, name), target);
  }
  await mkdir(join(root, "refs"), { recursive: true });
  await writeFile(join(root, "refs", "main"), commit);
  return folder;
}

describe("stages of their own", () => {
  test("a repository takes the place of one stage, with the reference's settings", async () => {
    const { find } = await startHouse();
    const model = await find({ model: "demo", stages: { stage1: "DeepFloyd/IF-I-L-v1.0" } });
    expect(model.name).toBe("demo + DeepFloyd/IF-I-L-v1.0");
    expect(model.checkpoints.stage1).toContain(join("models--DeepFloyd--IF-I-L-v1.0", "snapshots", commit));
    expect(model.checkpoints.stage2).toMatch(/models.demo.if-ii$/);
    expect(model.defaults.stage1).toEqual({ steps: 100, guidance: 7 });
    expect(model.defaults.stage2).toEqual(manifest.cascades.get("demo")?.defaults?.stage2);
    expect([model.isOwn, (await find({ model: "demo" })).isOwn, (await find({})).isOwn]).toEqual([false, true, false]);
  });

  test("a folder", async () => {
    const { hub, find } = await startHouse();
    const folder = goldenPath("checkpoints", "if-i");
    const model = await find({ model: goldenPath("checkpoints"), stages: { stage1: folder }, until: 1024 });
    expect(model.checkpoints.stage1).toBe(folder);
    expect(model.checkpoints.stage3).toBe(goldenPath("checkpoints", "x4-upscaler"));
    expect(hub.seen).toHaveLength(0);
  });

  test("a LoRA in a model's place is told to go to --lora", async () => {
    const { find } = await startHouse();
    const folder = await temporaryFolder();
    const file = join(folder, "pytorch_lora_weights.safetensors");
    await writeFile(file, "");
    const words = /holds a LoRA .*give it with --lora/;
    expect(await errorOf(find({ model: folder }), CheckpointError)).toMatch(words);
    expect(await errorOf(find({ stages: { stage2: folder } }), CheckpointError)).toMatch(words);
    expect(await errorOf(find({ model: file }), CheckpointError)).toMatch(/if it is a LoRA, give it with --lora/);
  });

  test("errors", async () => {
    const { settings, find } = await startHouse();
    expect(await errorOf(find({ stages: { stage2: "./none" } }), CheckpointError)).toMatch(/--stage-2-model \.\/none/);
    expect(await errorOf(find({ model: "none" }), CheckpointError)).toMatch(
      /neither a folder .* demo, if-xl, if-l, if-m/,
    );
    expect(await errorOf(find({ model: "DeepFloyd/IF-I-L-v1.0" }), CheckpointError)).toMatch(/--stage-1-model/);
    const offline = { settings: { ...settings, offline: true } };
    const words = await errorOf(find({ stages: { stage1: "me/mine" } }, offline), HubError);
    expect(words).toMatch(/me\/mine is not in the cache/);
    expect(words).not.toMatch(/models pull/); // which does not know it
    const wrong = {
      model: goldenPath("checkpoints"),
      stages: { stage3: "DeepFloyd/IF-II-M-v1.0" },
      until: 1024,
    } as const;
    expect(await errorOf(find(wrong), CheckpointError)).toMatch(
      /IF-II-M-v1\.0(: text_encoder has no \.safetensors| has no folder \w+; is it)/,
    );
  });
});

test("a folder holds the three checkpoints by name", () => {
  expect(stagesIn("/a").stage2).toEqual({ kind: "folder", folder: join("/a", "if-ii") });
});

describe("pins", () => {
  const file = (path: string): RepoFile => ({ path, bytes: 1, sha256: "a".repeat(64) });

  test("files of one commit add up; another commit starts anew", async () => {
    const home = await temporaryFolder();
    await addPin(home, "a/b", "main", { commit, files: [file("z")] });
    await addPin(home, "a/b", "main", { commit, files: [file("y")] });
    await addPin(home, "a/c", "v1", { commit, files: [] });
    expect(
      readPins(home)
        .get("a/b@main")
        ?.files.map(({ path }) => path),
    ).toEqual(["y", "z"]);
    await addPin(home, "a/b", "main", { commit: "b".repeat(40), files: [file("x")] });
    expect(readPins(home).get("a/b@main")).toEqual({ commit: "b".repeat(40), files: [file("x")] });
    await removePins(home, "a/b");
    expect([...readPins(home).keys()]).toEqual(["a/c@v1"]);
  });

  test("none is lost when many are added at once", async () => {
    const home = await temporaryFolder();
    const names = Array.from({ length: 8 }, (_, index) => `a/b${index}`);
    await Promise.all(names.map((name) => addPin(home, name, "main", { commit, files: [] })));
    expect([...readPins(home).keys()]).toEqual(names.map((name) => `${name}@main`));
    expect(readdirSync(home)).toEqual(["if-gen.lock.json"]);
  });

  test("a file that is not ours is an error that names it", async () => {
    const home = await temporaryFolder();
    await writeFile(pinsPath(home), '{"version":1,"repositories":{"a/b@main":{"commit":"x","files":[]}}}');
    expect(() => readPins(home)).toThrow(/if-gen\.lock\.json.*delete it/);
    expect(readFileSync(pinsPath(home), "utf8")).toContain("a/b@main");
  });
});
