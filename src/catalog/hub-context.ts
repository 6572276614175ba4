/**
 * @module catalog/hub-context
 * What every command about models needs: the entries of models.json, the Hub's settings, the pins.
 */

import { type HubEnvironment, hubSettings } from "../hub/environment.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { programVersion } from "../machine/version.ts";
import type { HubSettings } from "../hub/types.ts";
import { readHubEnvironment } from "../machine/environment.ts";

export interface HubContext {
  readonly manifest: Manifest;
  readonly environment: HubEnvironment;
  readonly settings: HubSettings;
}

/** @param token takes the place of the environment's and the file's. */
export function readHubContext(modelsFile?: string, token?: string): HubContext {
  const environment = readHubEnvironment();
  const settings = hubSettings(token === undefined ? environment : { ...environment, token }, programVersion());
  return { manifest: readManifest(modelsFile), environment, settings };
}
