/**
 * @module executor/kept-stages
 * Stages' processes that stay between runs, with their networks open: one of each stage, as long as memory lets them. What
 * they hold is there for whoever needs it: one that does not fit beside the next stage is ended.
 */

import type { Limits, StageNeed } from "../memory/budget.ts";
import type { Plan } from "../plan/plan.ts";
import type { StageName } from "../plan/stages.ts";
import type { GpuHeld } from "./gpu-guard.ts";
import type { StageTask } from "./protocol.ts";
import type { StageProcess } from "./stage-process.ts";

/** Of memory, in bytes. */
export interface Held {
  readonly ram: number;
  readonly vram: number;
}

/** What the stages of one plan do with what is kept. */
export interface Keeping {
  /** Do all the stage's networks fit beside each other? */
  readonly mayKeep: (stage: StageName) => boolean;
  readonly has: (stage: StageName) => boolean;
  /** Do these fit together, beside all that is kept? No, if one of them is. */
  readonly hasRoomFor: (stages: readonly StageName[]) => boolean;
  /** Ends what does not fit beside the stage. */
  readonly makeRoom: (stage: StageName) => Promise<void>;
  /** @returns the process of the stage that is kept, which is no longer; one of another device is ended. */
  readonly take: (task: StageTask) => Promise<StageProcess | undefined>;
  /** @param process that is done with the task. */
  readonly put: (task: StageTask, process: StageProcess) => void;
  readonly endAll: () => Promise<void>;
}

interface KeptStage {
  readonly task: StageTask;
  readonly process: StageProcess;
  /** GPU memory, as predicted. */
  readonly vram: number;
}

export class KeptStages {
  /** The one that was used last comes last. */
  readonly #kept = new Map<StageName, KeptStage>();
  #isClosed = false;

  /** @param needs what the stages were predicted to take; one without a prediction has nothing kept beside it. */
  forPlan(plan: Pick<Plan, "stages">, needs: readonly StageNeed[], limits: Limits): Keeping {
    const needOf = (stage: StageName): StageNeed | undefined => needs.find((need) => need.stage === stage);
    const takes = (stage: StageName): Held => {
      const need = needOf(stage);
      if (!need) return { ram: Infinity, vram: Infinity };
      const all = withAllNetworks(need);
      return fits(all, limits) ? all : { ram: need.peakBytes, vram: need.gpuBytes ?? 0 };
    };
    const mayKeep = (stage: StageName): boolean => {
      const need = needOf(stage);
      return need !== undefined && fits(withAllNetworks(need), limits);
    };
    return {
      mayKeep,
      has: (stage) => this.#kept.has(stage),
      hasRoomFor: (stages) =>
        stages.every((stage) => !this.#kept.has(stage)) && fits(sumOfHeld([this.held(), ...stages.map(takes)]), limits),
      makeRoom: async (stage) => {
        while (!fits(sumOfHeld([takes(stage), this.#heldBeside(stage)]), limits)) {
          const next = this.#leastWorth(stage, plan);
          if (next === undefined) return;
          await this.#end(next);
        }
      },
      take: (task) => this.#take(task),
      put: (task, process) => this.#put(task, process, takes(task.stage.name).vram),
      endAll: () => this.#endAll(),
    };
  }

  /** @returns what could be had at once if it were needed. */
  held(): Held {
    return sumOfHeld([...this.#kept.values()].map(heldBy));
  }

  /** Ends all, and what a run that has not ended yet would keep. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#endAll();
  }

  async #endAll(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((stage) => this.#end(stage)));
  }

  async #take(task: StageTask): Promise<StageProcess | undefined> {
    const { name } = task.stage;
    const kept = this.#kept.get(name);
    if (!kept) return undefined;
    if (!isSameDevice(kept.task, task) || !task.keepsNetworks) {
      await this.#end(name);
      return undefined;
    }
    this.#kept.delete(name);
    return kept.process;
  }

  #put(task: StageTask, process: StageProcess, vram: number): void {
    const { name } = task.stage;
    if (this.#isClosed) return process.stop();
    this.#kept.get(name)?.process.stop(); // of a run at the same time
    this.#kept.delete(name);
    this.#kept.set(name, { task, process, vram });
    void process.ended.then(() => {
      if (this.#kept.get(name)?.process === process) this.#kept.delete(name);
    });
  }

  async #end(stage: StageName): Promise<void> {
    const process = this.#kept.get(stage)?.process;
    this.#kept.delete(stage);
    process?.stop();
    await process?.ended;
  }

  #heldBeside(stage: StageName): Held {
    return sumOfHeld([...this.#kept].flatMap(([name, kept]) => (name === stage ? [] : [heldBy(kept)])));
  }

  /** A stage that this plan has not; else the one that was used last: plans go round, so that it is the last to be needed. */
  #leastWorth(running: StageName, { stages }: Pick<Plan, "stages">): StageName | undefined {
    const others = [...this.#kept.keys()].filter((name) => name !== running);
    return others.find((name) => stages.every((stage) => stage.name !== name)) ?? others.at(-1);
  }
}

const heldBy = ({ process, vram }: KeptStage): Held => ({
  ram: process.heldBytes(),
  vram: gpuMemoryOf(vram, process.heldGpu()),
});

/**
 * The process's own figure where the GPU's driver knows the process. In a container it does not: there what is in use since its
 * start is the most that it can have, and what others took meanwhile is not counted.
 */
function gpuMemoryOf(predicted: number, measured: GpuHeld | undefined): number {
  if (!measured) return predicted;
  return measured.isOwn ? measured.bytes : Math.min(predicted, measured.bytes);
}

/** Of a stage whose networks all stay open. */
function withAllNetworks({ networks, privateBytes, peakBytes, gpuBytes = 0 }: StageNeed): Held {
  const each = sumOfHeld(networks.map((network) => ({ ram: network.peakBytes, vram: network.gpuBytes ?? 0 })));
  return { ram: Math.max(privateBytes, peakBytes, each.ram), vram: Math.max(gpuBytes, each.vram) };
}

const fits = ({ ram, vram }: Held, { ramBytes, vramBytes }: Limits): boolean => ram <= ramBytes && vram <= vramBytes;

export const sumOfHeld = (all: readonly Held[]): Held => ({
  ram: all.reduce((total, { ram }) => total + ram, 0),
  vram: all.reduce((total, { vram }) => total + vram, 0),
});

/** A provider's libraries are a matter of the process's environment. */
const isSameDevice = (a: StageTask, b: StageTask): boolean =>
  a.executionProvider === b.executionProvider && a.deviceId === b.deviceId;
