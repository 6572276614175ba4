/** What became of the cases, row by row. */

export interface Row {
  readonly name: string;
  readonly counts: Record<string, number>;
  slowestMs: number;
  mostBytes: number;
  broken: number;
}

export class Table {
  readonly rows: Row[] = [];

  row(name: string): Row {
    const found = this.rows.find((row) => row.name === name);
    if (found) return found;
    const row = { name, counts: {}, slowestMs: 0, mostBytes: 0, broken: 0 };
    this.rows.push(row);
    return row;
  }

  get isBroken(): boolean {
    return this.rows.some(({ broken }) => broken > 0);
  }

  print(): void {
    console.log(
      "| what | cases | outcomes | broken | slowest | most memory |\n| --- | ---: | --- | ---: | ---: | ---: |",
    );
    for (const { name, counts, slowestMs, mostBytes, broken } of this.rows) {
      const all = Object.values(counts).reduce((sum, value) => sum + value, 0);
      if (all === 0) continue;
      const memory = mostBytes === 0 ? "" : `${(mostBytes / 1e6).toFixed(0)} MB`;
      const outcomes = Object.entries(counts).map(([outcome, count]) => `${count} ${outcome}`);
      console.log(`| ${name} | ${all} | ${outcomes.join(", ")} | ${broken} | ${slowestMs.toFixed(0)} ms | ${memory} |`);
    }
  }
}

/** Counts one case. */
export function add(row: Row, outcome: string, ms = 0): void {
  row.counts[outcome] = (row.counts[outcome] ?? 0) + 1;
  row.slowestMs = Math.max(row.slowestMs, ms);
}

/** @param faults what is wrong with a case; none: it is as promised. */
export function judge(row: Row, what: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  row.broken++;
  console.error(`${row.name}, ${what}: ${faults.join("; ")}`);
}
