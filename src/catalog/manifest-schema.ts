/**
 * @module catalog/manifest-schema
 * What a models.json may say. docs/models.md explains every field to those who write one.
 */

import { z } from "zod";
import { cascadeDefaults } from "../plan/model.ts";
import { type RepositoryKey, repositoryKeys } from "../plan/stages.ts";

const bytes = z.int().nonnegative();

/** Bytes per variant that a network is published in. */
const variantBytes = z.strictObject({ "8bit": bytes.optional(), fp16: bytes.optional(), fp32: bytes.optional() });

export const repoName = z.string().regex(/^[\w-][\w.-]*\/[\w-][\w.-]*$/, "it must read organisation/name");

const repository = z.strictObject({
  /** A branch, a tag or a commit. */
  revision: z.string().min(1).default("main"),
  license: z.string(),
  /** The repository whose page has the licence to accept, where the files are behind one. */
  acceptAt: repoName.optional(),
  /** By folder of the repository: roughly how large each variant of the network is. Informs, binds nothing. */
  approximateBytes: z.record(z.string(), variantBytes).default({}),
});

const common = {
  description: z.string(),
  license: z.string(),
  /** Roughly what a run takes at most, the largest network and its work: shown, and compared with the machine's. */
  memoryBytes: bytes.optional(),
  defaults: cascadeDefaults.optional(),
};

const stageSource = z.string().min(1);

const sources = Object.fromEntries(repositoryKeys.map((key) => [key, stageSource])) as Readonly<
  Record<RepositoryKey, typeof stageSource>
>;

const cascade = z.union([
  /** Where the three checkpoints lie, relative to the file that says so. */
  z.strictObject({ ...common, directory: z.string() }),
  /** Each an organisation/name of the Hub, or a folder, relative to the file that says so. */
  z.strictObject({
    ...common,
    stages: z.strictObject(sources),
  }),
]);

export const manifestFile = z.strictObject({
  $comment: z.string().optional(),
  repositories: z.record(repoName, repository).default({}),
  cascades: z.record(z.string(), cascade),
});

export type Repository = z.infer<typeof repository>;
export type CascadeEntry = z.infer<typeof cascade>;
