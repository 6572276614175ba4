/**
 * @module networks/kept-networks
 * Networks that stay open after their use, for a process that is given one task after the other: one for each name. Another
 * one of that name takes its place, and is opened after the old one is closed.
 */

import type { Run } from "../runtime/session.ts";

/** Opens a network, lets `use` run it, and closes it. */
type Open = <R>(use: (run: Run) => Promise<R>) => Promise<R>;

interface OpenNetwork {
  readonly run: Run;
  readonly close: () => Promise<void>;
}

export class KeptNetworks {
  readonly #open = new Map<string, OpenNetwork & { readonly key: string }>();

  /**
   * @param name which network of a stage it is; used by one at a time.
   * @param key  what tells networks of a name apart.
   */
  async use<T>(name: string, key: string, open: Open, use: (run: Run) => Promise<T>): Promise<T> {
    const found = this.#open.get(name);
    if (found?.key === key) return use(found.run);
    this.#open.delete(name);
    await found?.close();
    const opened = await holdOpen(open);
    this.#open.set(name, { key, ...opened });
    return use(opened.run);
  }
}

/** @returns what `open` opens, which stays open until it is closed. */
async function holdOpen(open: Open): Promise<OpenNetwork> {
  let close: () => void = () => undefined;
  const closing = new Promise<void>((resolve) => (close = resolve));
  let closed: Promise<void> | undefined;
  const run = await new Promise<Run>((resolve, reject) => {
    closed = open((opened) => {
      resolve(opened);
      return closing;
    });
    closed.catch(reject);
  });
  return {
    run,
    close: async () => {
      close();
      await closed;
    },
  };
}
