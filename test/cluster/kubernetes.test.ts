/** examples/batch/kubernetes.yaml: an Indexed Job whose pods find their parts, and options that the command has. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { createProgram } from "../../src/cli/program.ts";
import { chooseShard } from "../../src/machine/cluster-shard.ts";
import { root } from "../cli/run-cli.ts";

/** What of batch/v1's Job is used, by its published names. */
const job = z.strictObject({
  apiVersion: z.literal("batch/v1"),
  kind: z.literal("Job"),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.strictObject({
    completionMode: z.literal("Indexed"),
    completions: z.int().positive(),
    parallelism: z.int().positive(),
    backoffLimitPerIndex: z.int(),
    maxFailedIndexes: z.int(),
    template: z.strictObject({
      spec: z.strictObject({
        restartPolicy: z.literal("Never"), // backoffLimitPerIndex asks for it
        terminationGracePeriodSeconds: z.int(),
        containers: z.array(
          z.strictObject({
            name: z.string(),
            image: z.string(),
            args: z.array(z.string()),
            env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
            resources: z.record(z.string(), z.record(z.string(), z.string())),
            volumeMounts: z.array(
              z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }),
            ),
          }),
        ),
        volumes: z.array(
          z.strictObject({
            name: z.string(),
            persistentVolumeClaim: z.strictObject({ claimName: z.string(), readOnly: z.boolean().optional() }),
          }),
        ),
      }),
    }),
  }),
});

test("the job is one that Kubernetes takes, and each pod has its own part", async () => {
  const { spec } = job.parse(parse(readFileSync(join(root, "examples", "batch", "kubernetes.yaml"), "utf8")));
  const [container] = spec.template.spec.containers;
  const env = Object.fromEntries(container!.env.map(({ name, value }) => [name, value]));
  expect(env["JOB_COMPLETIONS"]).toBe(String(spec.completions));
  const shards = Array.from({ length: spec.completions }, (_, index) =>
    chooseShard(undefined, { ...env, JOB_COMPLETION_INDEX: String(index) }),
  );
  expect(shards.map(({ number, count }) => [number, count])).toEqual(
    shards.map((_, index) => [index + 1, spec.completions]),
  );
  const mounts = new Set(spec.template.spec.volumes.map(({ name }) => name));
  for (const { name } of container!.volumeMounts) expect(mounts).toContain(name);
  const [name, ...args] = container!.args;
  const command = (await createProgram("all")).commands.find((one) => one.name() === name);
  for (const arg of args.filter((one) => one.startsWith("--"))) {
    expect(command?.options.map(({ long }) => long)).toContain(arg);
  }
});

test("Slurm, MPI and PBS count in their own ways; what is typed comes first; half of it is nothing", () => {
  const shardOf = (env: Record<string, string>) => chooseShard(undefined, env);
  expect(shardOf({ SLURM_ARRAY_TASK_ID: "7", SLURM_ARRAY_TASK_MIN: "5", SLURM_ARRAY_TASK_COUNT: "4" })).toMatchObject({
    number: 3,
    count: 4,
  });
  expect(shardOf({ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "2" })).toMatchObject({ number: 1, count: 2 });
  expect(shardOf({ PBS_ARRAY_INDEX: "2", PBS_ARRAY_COUNT: "2" })).toMatchObject({ number: 2, count: 2 });
  expect(shardOf({ SLURM_ARRAY_TASK_ID: "7" })).toEqual({ number: 1, count: 1 });
  expect(chooseShard({ number: 2, count: 3 }, { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "2" })).toEqual({
    number: 2,
    count: 3,
  });
});
