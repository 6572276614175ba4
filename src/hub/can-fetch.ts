/**
 * @module hub/can-fetch
 * Node's `fetch` runs WebAssembly, for whose memory V8 reserves addresses. Under a limit of addresses (`ulimit -v`) it may get
 * none, and then `fetch` does not reject but ends the whole process. So it is asked before every request.
 */

/** Of the language, though @types/node does not know it. */
const { Memory } = (globalThis as unknown as { WebAssembly: WebAssemblyNamespace }).WebAssembly;
interface WebAssemblyNamespace {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
}

let isPossible: boolean | undefined;

/** @returns false: `fetch` would end the process. Asked once: what it has reserved it keeps. */
export function canFetch(): boolean {
  isPossible ??= tryMemory();
  return isPossible;
}

function tryMemory(): boolean {
  try {
    return new Memory({ initial: 1, maximum: 65_536 }).buffer.byteLength > 0;
  } catch {
    return false;
  }
}
