/**
 * @module cli/schema
 * `if-gen schema NAME`: JSON schemas of what the program prints with --json and of the files it reads.
 */

import { Argument } from "commander";
import type { z } from "zod";
import type { ProgramCommand } from "./command.ts";
import { printJson } from "./terminal.ts";

/** Each loaded when it is asked for. */
const schemas = {
  plan: async () => (await import("./json-schemas.ts")).planOutput,
  events: async () => (await import("./event-schema.ts")).eventSchema,
  result: async () => (await import("./event-schema.ts")).resultEvent,
  error: async () => (await import("./event-schema.ts")).errorEvent,
  job: async () => (await import("../run/batch/read-jobs.ts")).batchJobSchema,
  manifest: async () => (await import("../run/batch/manifest.ts")).manifestEntry,
  models: async () => (await import("../catalog/manifest-schema.ts")).manifestFile,
  config: async () => (await import("./config-file.ts")).configSchema,
} satisfies Readonly<Record<string, () => Promise<z.ZodType>>>;

type SchemaName = keyof typeof schemas;

export function defineSchema(command: ProgramCommand): void {
  command
    .addArgument(
      new Argument(
        "<name>",
        "plan: of plan and --dry-run with --json; events: a line of commands that draw with --json; result, error: those of them alone; job: a line of batch's file; manifest: a line of batch's manifest.jsonl; models: models.json; config: config.json",
      ).choices(Object.keys(schemas)),
    )
    .addExamples("if-gen schema plan > plan.schema.json")
    .action(async (name: SchemaName) => {
      const { toJSONSchema } = await import("zod");
      const isOutput = ["plan", "events", "result", "error", "manifest"].includes(name);
      // 64-bit seeds and the like have no word of their own there
      printJson(toJSONSchema(await schemas[name](), { io: isOutput ? "output" : "input", unrepresentable: "any" }));
    });
}
