/**
 * @module executor/probe-worker
 * The child of executor/probe: one question, one answer, the end.
 */

import { z } from "zod";
import { serve } from "./serve.ts";
import { providerNames } from "../onnx/lower/provider-names.ts";

const question = z.discriminatedUnion("ask", [
  z.strictObject({ ask: z.literal("providers") }),
  z.strictObject({ ask: z.literal("provider"), name: z.enum(providerNames), deviceId: z.int().exactOptional() }),
  /** Can the system's loader find these shared libraries, and all that they need in turn? */
  z.strictObject({
    ask: z.literal("libraries"),
    names: z.array(z.string()),
    provider: z.enum(providerNames).exactOptional(), // whose libraries they are
  }),
  z.strictObject({ ask: z.literal("images") }),
]);
export type ProbeQuestion = z.infer<typeof question>;

serve<object>(async (task, { send }) => {
  await send(await answer(question.parse(task)));
});

async function answer(asking: ProbeQuestion): Promise<object> {
  if (asking.ask === "libraries")
    return { libraries: asking.names.map((name) => ({ name, problem: loadLibrary(name) })) };
  if (asking.ask === "images") {
    await import("../image/decode.ts");
    return { problem: null };
  }
  const { listProviders, tryProvider } = await import("../runtime/list-providers.ts");
  if (asking.ask === "providers") return { providers: listProviders() };
  await tryProvider(asking.name, asking.deviceId);
  return { problem: null };
}

/**
 * Node only loads its own addons, but to refuse another library it must load it first.
 * A provider lacks `Provider_GetHost` then, which onnxruntime gives it later: everything else of it was found.
 * @returns the loader's words if it cannot: the exact file that is missing.
 */
function loadLibrary(name: string): string | null {
  try {
    process.dlopen({ exports: {} }, name);
    return null;
  } catch (error) {
    const { message } = error as Error;
    return /did not self-register|undefined symbol: Provider_GetHost/.test(message) ? null : message;
  }
}
