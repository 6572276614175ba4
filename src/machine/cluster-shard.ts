/**
 * @module machine/cluster-shard
 * Which part of the jobs is this process's, as the engines of clusters tell their tasks.
 */

/** A part of the jobs: the first of four is `{ number: 1, count: 4 }`. */
export interface Shard {
  readonly number: number;
  readonly count: number;
}

interface Engine {
  readonly name: string;
  /** The task's number, how many there are, and the number of the first. */
  readonly number: string;
  readonly count: string;
  readonly first: number | string;
}

/** Kubernetes counts from 0, as MPI does; a Slurm array from its own least number. */
const engines: readonly Engine[] = [
  { name: "Slurm", number: "SLURM_ARRAY_TASK_ID", count: "SLURM_ARRAY_TASK_COUNT", first: "SLURM_ARRAY_TASK_MIN" },
  { name: "Kubernetes", number: "JOB_COMPLETION_INDEX", count: "JOB_COMPLETIONS", first: 0 },
  { name: "Open MPI", number: "OMPI_COMM_WORLD_RANK", count: "OMPI_COMM_WORLD_SIZE", first: 0 },
  { name: "PBS", number: "PBS_ARRAY_INDEX", count: "PBS_ARRAY_COUNT", first: 1 },
];

export interface ChosenShard extends Shard {
  /** What said so; absent: the command line, or nothing. */
  readonly engine?: string;
}

/** @param given `--shard`, which comes before what the environment says. */
export function chooseShard(
  given: Shard | undefined,
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): ChosenShard {
  if (given) return given;
  const valueOf = (name: string): number => Number(environment[name] ?? Number.NaN);
  for (const { name, first, ...names } of engines) {
    const [number, count] = [valueOf(names.number), valueOf(names.count)];
    const place = number - (typeof first === "number" ? first : valueOf(first)) + 1;
    if (Number.isInteger(place) && place >= 1 && place <= count) return { number: place, count, engine: name };
  }
  return { number: 1, count: 1 };
}
