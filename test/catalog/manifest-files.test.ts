/** Names of models without their entries: what a shell completes. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { modelNames } from "../../src/catalog/manifest-files.ts";
import { readManifest } from "../../src/catalog/manifest.ts";

const programCascades = ["demo", "if-xl", "if-l", "if-m"];

test.each([
  ["that is missing", undefined, programCascades],
  [
    "with an entry of its own and one of the program's",
    '{ "cascades": { "mine": {}, "demo": {} } }',
    [...programCascades, "mine"],
  ],
  ["that is no JSON", "{", programCascades],
  ["of another form", '{ "cascades": null }', programCascades],
  ["that is no object", "null", programCascades],
])("a user's file %s", (_, content, names) => {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-manifest-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "models.json");
  if (content !== undefined) writeFileSync(file, content);
  expect(modelNames(file)).toEqual(names);
});

test("the names are those of the checked list", () => {
  const none = "/nowhere/models.json";
  expect(modelNames(none)).toEqual([...readManifest(undefined, none).cascades.keys()]);
});
