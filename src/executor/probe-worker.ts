/**
 * @module executor/probe-worker
 * The child of executor/probe: one question, one answer, the end.
 */

import { z } from "zod";

const question = z.discriminatedUnion("ask", [
  z.strictObject({ ask: z.literal("providers") }),
  z.strictObject({ ask: z.literal("provider"), name: z.string(), deviceId: z.int().exactOptional() }),
  /** Can the system's loader find these shared libraries, and all that they need in turn? */
  z.strictObject({ ask: z.literal("libraries"), names: z.array(z.string()) }),
  z.strictObject({ ask: z.literal("images") }),
]);
export type ProbeQuestion = z.infer<typeof question>;

process.once("message", (message) => {
  void reply(message);
});

async function reply(message: unknown): Promise<void> {
  try {
    process.send?.(await answer(question.parse(message)), () => process.disconnect());
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    process.send?.({ problem }, () => process.disconnect());
  }
}

async function answer(asked: ProbeQuestion): Promise<unknown> {
  if (asked.ask === "libraries")
    return { libraries: asked.names.map((name) => ({ name, problem: loadLibrary(name) })) };
  if (asked.ask === "images") {
    await import("../image/decode.ts");
    return { problem: null };
  }
  const { listProviders, tryProvider } = await import("../runtime/list-providers.ts");
  if (asked.ask === "providers") return { providers: listProviders() };
  await tryProvider(asked.name, asked.deviceId);
  return { problem: null };
}

/**
 * Node only loads its own addons, but to refuse another library it must load it first.
 * @returns the loader's words if it cannot: the exact file that is missing.
 */
function loadLibrary(name: string): string | null {
  try {
    process.dlopen({ exports: {} }, name);
    return null;
  } catch (error) {
    const { message } = error as Error;
    return /did not self-register/.test(message) ? null : message;
  }
}
