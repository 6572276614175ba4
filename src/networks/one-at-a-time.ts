/**
 * @module networks/one-at-a-time
 * Calls of a network wait for each other: two at once would take twice the memory for their feature maps.
 */

/** @returns the same function, whose calls begin in the order in which they were made, each when the one before has ended. */
export function oneAtATime<Arguments extends unknown[], Result>(
  call: (...args: Arguments) => Promise<Result>,
): (...args: Arguments) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (...args) => {
    const result = last.then(() => call(...args));
    last = result.catch(() => undefined); // the next one is not to fail of it
    return result;
  };
}
