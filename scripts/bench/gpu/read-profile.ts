/** onnxruntime's trace -> how long each kind of operation took in a run. */

import { readFileSync } from "node:fs";

interface TraceEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, string>>;
}

export interface OperatorTime {
  readonly operator: string;
  readonly calls: number;
  /** Of all runs together, divided by the runs. */
  readonly milliseconds: number;
}

export interface Profile {
  /** As the CPU saw it: for a GPU, how long it took to hand the work over. */
  readonly nodes: readonly OperatorTime[];
  /** As the GPU saw it, by kernel; empty where the provider times none. */
  readonly kernels: readonly OperatorTime[];
  /** The same with the shapes of what goes in and out. */
  readonly shapes: readonly OperatorTime[];
}

/** @param runs how many runs the trace holds. @param top how many operators are kept, longest first. */
export function readProfile(file: string, runs: number, top = 15): Profile {
  const events = JSON.parse(readFileSync(file, "utf8")) as TraceEvent[];
  const nodes = events.filter(({ cat, name }) => cat === "Node" && name?.endsWith("_kernel_time"));
  const kernels = events.filter(({ cat }) => cat === "Api" || cat === "Kernel");
  return {
    nodes: longest(nodes, ({ args, name }) => args?.["op_name"] ?? name ?? "", runs, top),
    kernels: longest(kernels, ({ name }) => kernelName(name ?? ""), runs, top),
    shapes: longest(kernels, ({ name, args }) => `${kernelName(name ?? "")} ${args?.["shapes"] ?? ""}`, runs, 3 * top),
  };
}

/** `&/down_blocks.0/Conv_3&Conv2DMM-...` -> the operation and its program: a node's own name is not of interest. */
function kernelName(name: string): string {
  const parts = name.split("&").filter((part) => part !== "" && !part.includes("/"));
  return (parts.length > 0 ? parts.join(" ") : name).replace(/\d+(?=$|\s)/g, "").slice(0, 60);
}

function longest(events: readonly TraceEvent[], keyOf: (event: TraceEvent) => string, runs: number, top: number) {
  const sums = new Map<string, { calls: number; microseconds: number }>();
  for (const event of events) {
    const sum = sums.get(keyOf(event)) ?? { calls: 0, microseconds: 0 };
    sums.set(keyOf(event), { calls: sum.calls + 1, microseconds: sum.microseconds + (event.dur ?? 0) });
  }
  return [...sums]
    .map(([operator, { calls, microseconds }]): OperatorTime => ({
      operator,
      calls: calls / runs,
      milliseconds: Number((microseconds / 1000 / runs).toFixed(3)),
    }))
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, top);
}
