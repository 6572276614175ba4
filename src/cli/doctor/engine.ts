/**
 * @module cli/doctor/engine
 * What draws: onnxruntime, the image library, the demo's files.
 */

import { probe } from "../../executor/probe.ts";
import { inspectCheckpoint } from "../../catalog/inspect-checkpoint.ts";
import { type Manifest } from "../../catalog/manifest.ts";
import { repositoryLayouts, repositoryKeys } from "../../plan/stages.ts";
import { type Check, note, ok, problem } from "./check.ts";

const reinstall = "install if-gen again: npm install";

export async function checkEngine(manifest: Manifest): Promise<Check[]> {
  const [cpu, images, providers, demo] = await Promise.all([
    probe({ ask: "provider", name: "cpu" }),
    probe({ ask: "images" }),
    probe({ ask: "providers" }),
    checkDemo(manifest),
  ]);
  const names = "providers" in providers ? providers.providers : [];
  const list = names.map(({ name, bundled }) => (bundled ? name : `${name} (libraries not included)`)).join(", ");
  return [
    isWorking(cpu) ? ok("onnxruntime", `works on the CPU; knows ${list}`) : broken("onnxruntime", cpu),
    isWorking(images) ? ok("image library", "works") : broken("image library", images),
    demo,
  ];
}

async function checkDemo({ cascades }: Manifest): Promise<Check> {
  const demo = cascades.get("demo");
  if (!demo) return note("demo", "models.json has no such entry");
  for (const stage of repositoryKeys) {
    const source = demo.stages[stage];
    if (source.kind !== "folder") continue;
    const { missing, usable } = await inspectCheckpoint(source.folder, repositoryLayouts[stage]);
    if (!usable) return problem("demo", `${source.folder} lacks ${missing.join(", ")}`, reinstall, "CHECKPOINT");
  }
  return ok("demo", "its three stages are here");
}

type Answer = Awaited<ReturnType<typeof probe>>;

export const isWorking = (answer: Answer): boolean => "problem" in answer && answer.problem === null;

/** @returns the native library's words. */
export function wordsOf(answer: Answer): string {
  return "problem" in answer ? oneLine(answer.problem ?? "it works") : "it gave no answer";
}

/** onnxruntime opens with the place in its source and the condition that did not hold. */
const oneLine = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/^\S+:\d+ .* was false\. /, "")
    .trim();

const broken = (name: string, answer: Answer): Check => problem(name, wordsOf(answer), reinstall, "STAGE");
