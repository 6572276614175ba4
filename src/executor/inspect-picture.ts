/**
 * @module executor/inspect-picture
 * Looks at a start picture and its mask in a process of its own, before anything is planned: decoders of foreign files
 * stay out of the parent.
 */

import { fork } from "node:child_process";
import { type ErrorCode, IfGenError, InputImageError, exitCodes } from "../errors.ts";
import { type Inspection, type InspectionJob, type InspectionMessage, inspectionMessage } from "./inspection.ts";

/**
 * @param entry the child's; the built one beside this file if absent.
 * @throws {InputImageError} the picture or the mask cannot be read or used.
 * @throws {UsageError} a shape of the mask lies outside the picture.
 */
export function inspectPicture(
  job: InspectionJob,
  entry = new URL("./inspect-worker.js", import.meta.url),
): Promise<Inspection> {
  const child = fork(entry, { stdio: ["ignore", "ignore", "pipe", "ipc"], serialization: "json" });
  return new Promise((resolve, reject) => {
    let message: InspectionMessage | undefined;
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4000)));
    child.on("message", (raw) => (message = inspectionMessage.parse(raw)));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (message?.type === "result") resolve(message);
      else if (message) reject(failureOf(message.code, message.message));
      else
        reject(new InputImageError(`${job.image} ended the process that read it (${signal ?? code}).${said(stderr)}`));
    });
    child.send(job, (error) => {
      if (error) stderr += error.message;
    });
  });
}

const said = (stderr: string): string => (stderr.trim() === "" ? "" : ` It said: ${stderr.trim()}`);

function failureOf(code: string | null, message: string): Error {
  return code !== null && code in exitCodes ? new IfGenError(code as ErrorCode, message) : new Error(message);
}
