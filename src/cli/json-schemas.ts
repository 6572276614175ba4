/**
 * @module cli/json-schemas
 * What `plan --json` prints: see report.ts and show-plan.ts, which make it; events are in event-schema.ts. A field may be added; none goes away or changes its type within a
 * major version.
 */

import { z } from "zod";
import { planSchema } from "../plan/plan.ts";
import { stageNames } from "../plan/stages.ts";

const bytes = z.number().describe("bytes");

const stageNeed = z.looseObject({
  stage: z.enum(stageNames),
  privateBytes: bytes,
  peakBytes: bytes,
  gpuBytes: bytes.optional(),
  verdict: z.enum(["fits", "from disk", "too large"]),
});

export const planOutput = planSchema.loose().extend({
  memory: z.looseObject({
    limits: z.looseObject({ ramBytes: bytes, ramSource: z.string(), vramBytes: bytes }),
    needs: z.array(stageNeed),
  }),
  download: z
    .looseObject({
      repositories: z.array(
        z.looseObject({ repo: z.string(), commit: z.string(), totalBytes: bytes, missingBytes: bytes }),
      ),
      missingBytes: bytes,
      fetchedBytes: bytes,
      rate: z.number().describe("bytes a second").optional(),
      seconds: z.number().optional(),
      freeDiskBytes: bytes,
      fitsDisk: z.boolean(),
    })
    .optional(),
  fits: z.boolean().optional(),
  fitsWith: z.string().describe("options of the command line").optional(),
});
