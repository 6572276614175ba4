import type { BatchJob } from "../../../src/run/batch/batch-jobs.ts";
import { plainRequest } from "../../plan/plain-request.ts";

/** A job of a batch that nothing is special about, at this place and line. */
export const plainJob = (index: number): BatchJob => ({
  index,
  line: index,
  request: plainRequest,
  key: "",
  files: [],
  isDrawn: false,
  isTaken: false,
});
