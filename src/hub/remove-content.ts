/**
 * @module hub/remove-content
 * Away with one file's content, wherever its cache keeps it: in the snapshot itself (no links), as a blob, or shared.
 */

import { rm } from "node:fs/promises";
import type { FilePlace } from "./layout.ts";
import { payloadOf, removePayload } from "./shared-payloads.ts";
import type { HubSettings } from "./types.ts";

/** So that the next pull fetches it anew. System errors as they are. */
export async function removeContent(settings: HubSettings, { snapshot, blob, checked }: FilePlace): Promise<void> {
  const payload = await payloadOf(settings, blob);
  for (const path of [checked, snapshot, blob]) await rm(path, { force: true });
  if (payload !== undefined) await removePayload(payload);
}
