/**
 * @module pipelines/groups-at-once
 * Groups of jobs that are drawn side by side, so that a device has one group's step to compute while threads do another's
 * scheduling (pipelines/scheduling-threads): guidance, thresholding and noise take longer than a network's call on a fast GPU.
 */

/**
 * @param groupsAtOnce how many groups are at work; the network takes one call at a time (networks/one-at-a-time).
 * @returns what `draw` made of each group, in their order.
 * @throws what the first one that failed threw, once the others that are at work have ended; no further one is begun.
 */
export async function drawGroups<Group, Result>(
  groups: readonly Group[],
  groupsAtOnce: number,
  draw: (group: Group) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < groups.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await draw(groups[index]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(groupsAtOnce, groups.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
