/**
 * @module run/batch/held-on
 * What kept stages hold, as one of several workers can have it: RAM is everybody's, a GPU's memory belongs to whoever is on it.
 */

import { type Held, sumOfHeld } from "../../executor/kept-stages.ts";

/** @param workers each with its device, and what its kept stages hold. */
export function heldOn<Device>(
  device: Device,
  workers: readonly { readonly device: Device; readonly held: Held }[],
): Held {
  const onIt = workers.filter((worker) => worker.device === device);
  return { ram: sumOfHeld(workers.map(({ held }) => held)).ram, vram: sumOfHeld(onIt.map(({ held }) => held)).vram };
}
