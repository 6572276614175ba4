import { describe, expect, test } from "vitest";
import { HubError } from "../../src/errors.ts";
import { findCached } from "../../src/hub/find-cached.ts";
import { placeOf } from "../../src/hub/layout.ts";
import { checkCollisions, checkRepoFile, checkRepoName, checkRepoPath, checkRevision } from "../../src/hub/names.ts";
import { commit } from "./server.ts";

export const hostilePaths = [
  "..",
  "../evil",
  "unet/../../evil",
  "unet/..",
  "/etc/passwd",
  "//host/share",
  "\\\\host\\share",
  "..\\evil",
  "unet\\..\\..\\evil",
  "C:\\Windows\\evil",
  "C:/Windows/evil",
  "d:evil",
  "unet/D:evil",
  "nul\0byte",
  "new\nline",
  "escape\u001b[2J",
  "right\u202eto-left",
  "",
  ".",
  "./config.json",
  "unet//config.json",
  "unet/",
  "x".repeat(256),
  "x/".repeat(600) + "x",
];

describe("a path from the Hub", () => {
  test.each(hostilePaths)("%j is refused, before anything is joined", (path) => {
    expect(() => checkRepoPath("a/b", path)).toThrow(HubError);
    const settings = { endpoint: "", cacheFolder: "/nowhere", offline: true, userAgent: "" };
    expect(() => placeOf(settings, "a/b", commit, { path, bytes: 1, gitOid: commit })).toThrow(HubError);
    expect(() => findCached(settings, "a/b", commit, path)).toThrow(HubError);
  });

  test.each([
    "config.json",
    "unet/a.fp16-00001-of-00002.safetensors",
    "..hidden/..x",
    "größe/日本.txt",
    "a b",
    "x".repeat(255),
  ])("%j is a path", (path) => {
    expect(checkRepoPath("a/b", path)).toBeUndefined();
  });

  test("is shown without what could paint on a terminal", () => {
    const check = (): void => checkRepoPath("a/b", `a\u001b[2J\u202e\nb${"x".repeat(500)}`);
    expect(check).toThrow('"a\\u{1b}[2J\\u{202e}\\u{a}bxx');
    expect(check).toThrow(/^.{1,200}$/u);
  });
});

test.each([
  "",
  "a/b/c",
  "../x",
  "a/..",
  "a--b/c",
  "a/b--c",
  "/a",
  "a/",
  "a b/c",
  "a/b\n",
  ".a/b",
  "-a/b",
  "a\\b",
  "x".repeat(97),
])("%j is no repository", (name) => {
  expect(() => checkRepoName(name)).toThrow(HubError);
});

test.each(["DeepFloyd/IF-I-XL-v1.0", "gpt2", "stabilityai/stable-diffusion-x4-upscaler", "a_b/c.d-e"])(
  "%j is one",
  (name) => {
    expect(checkRepoName(name)).toBeUndefined();
  },
);

test.each(["", "../main", "/main", "a..b/../c", "re vision", "a~1", "a:b", "a\\b", "main\0"])(
  "%j is no revision",
  (name) => {
    expect(() => checkRevision(name)).toThrow(HubError);
  },
);

test.each(["main", "v1.0", "refs/pr/1", commit])("%j is one", (name) => {
  expect(checkRevision(name)).toBeUndefined();
});

test.each([
  { path: "a", bytes: -1, sha256: "a".repeat(64) },
  { path: "a", bytes: 1.5, sha256: "a".repeat(64) },
  { path: "a", bytes: 2 ** 60, sha256: "a".repeat(64) },
  { path: "a", bytes: 1, sha256: "../../x" },
  { path: "a", bytes: 1, sha256: "A".repeat(64) },
  { path: "a", bytes: 1, gitOid: "../../x" },
  { path: "a", bytes: 1, sha256: "../../x", gitOid: commit },
  { path: "a", bytes: 1 },
])("hash and size are checked too: %j", (file) => {
  expect(() => checkRepoFile("a/b", file)).toThrow(HubError);
});

describe("names that are one on some disks", () => {
  const file = (path: string) => ({ path, bytes: 1, gitOid: commit });

  test.each([
    ["Config.json", "config.json"],
    ["unet/A.bin", "UNET/a.bin"],
    ["gr\u00f6\u00dfe", "gro\u0308\u00dfe"],
    ["unet", "unet/config.json"],
    ["unet/config.json", "UNet"],
  ])("%j and %j", (one, other) => {
    expect(() => checkCollisions("a/b", [file(one), file(other)])).toThrow(HubError);
  });

  test("others are no trouble", () => {
    const paths = ["unet/config.json", "unet/model.bin", "vae/config.json", "config.json", "unet.json"];
    expect(checkCollisions("a/b", paths.map(file))).toBeUndefined();
  });
});
