/**
 * @module catalog/manifest-schema
 * What a models.json may say. docs/models.md explains every field to those who write one.
 */

import { z } from "zod";

const ifStageDefaults = z.strictObject({
  steps: z.int().positive().optional(),
  /** A preset's name or a list; takes the place of steps. */
  timesteps: z.union([z.string(), z.array(z.int().nonnegative())]).optional(),
  guidance: z.number().nonnegative(),
  noiseLevel: z.int().nonnegative().optional(),
  /** img2img and inpaint, stage 1 and 2. */
  strength: z.number().positive().max(1).optional(),
});

const cascadeStages = { stage1: ifStageDefaults, stage2: ifStageDefaults, stage3: ifStageDefaults };
/** What img2img and inpaint do otherwise than txt2img: whole stages. */
const otherStages = z.strictObject(cascadeStages).partial().exactOptional();

const defaults = z.strictObject({ ...cascadeStages, img2img: otherStages, inpaint: otherStages });

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
  defaults: defaults.optional(),
};

const stageSource = z.string().min(1);

const cascade = z.union([
  /** Where the three checkpoints lie, relative to the file that says so. */
  z.strictObject({ ...common, directory: z.string() }),
  /** Each an organisation/name of the Hub, or a folder, relative to the file that says so. */
  z.strictObject({
    ...common,
    stages: z.strictObject({ stage1: stageSource, stage2: stageSource, stage3: stageSource }),
  }),
]);

export const manifestFile = z.strictObject({
  $comment: z.string().optional(),
  repositories: z.record(repoName, repository).default({}),
  cascades: z.record(z.string(), cascade),
});

export type StageDefaults = z.infer<typeof ifStageDefaults>;
export type CascadeDefaults = z.infer<typeof defaults>;
export type Repository = z.infer<typeof repository>;
export type CascadeEntry = z.infer<typeof cascade>;
