/**
 * Disks without room: the program's whole home, its temporary folder and its outputs on a tmpfs of every size from nothing to
 * what the command needs, and with every number of files. It has to end with one sentence and code 6 (8 where the cache of
 * downloads has no room), leave nothing half done, and go on once there is room. Needs root, to mount.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { killedPull, killedQuantisation, killedRun } from "./killed-commands.ts";
import { endFaults, type KilledCommand, unbroken } from "./kills.ts";
import { isCrash, run } from "./program.ts";
import { serveCheckpoints } from "./serve-checkpoints.ts";
import { add, judge, type Row, type Table } from "./table.ts";

const plenty = "size=1g,nr_inodes=100k";

export interface DiskOptions {
  /** Sizes and numbers of files, a command. */
  readonly count: number;
  readonly isAsked: (name: string) => boolean;
}

export async function fullDisks(table: Table, root: string, { count, isAsked }: DiskOptions): Promise<void> {
  if (!["disk: run", "disk: quantisation", "disk: pull"].some(isAsked)) return;
  const disk = join(root, "disk");
  mkdirSync(disk);
  if (!mount(disk, plenty)) {
    console.error("disk: skipped, since only root may mount a tmpfs");
    return;
  }
  umount(disk);
  const served = await serveCheckpoints();
  const commands: Readonly<Record<string, () => Promise<KilledCommand>>> = {
    "disk: run": () => killedRun(root),
    "disk: quantisation": () => killedQuantisation(root),
    "disk: pull": async () => killedPull(served.url),
  };
  try {
    for (const [name, command] of Object.entries(commands)) {
      if (isAsked(name)) await allSizes(table.row(name), await command(), disk, Math.ceil(count / 2));
    }
  } finally {
    umount(disk);
    served.close();
  }
}

async function allSizes(row: Row, command: KilledCommand, disk: string, steps: number): Promise<void> {
  mount(disk, plenty);
  const whole = await unbroken(command, disk, 1);
  const bytes = used(disk, "--output=used");
  const files = used(disk, "--output=iused");
  for (let step = 0; step < steps; step++) {
    // a tmpfs counts pages of 4 KiB and has an inode of its own; more is free before the end than at it
    const kib = 4 + Math.floor((step * bytes * 1.2) / steps);
    await oneSize(row, command, disk, whole.files, `size=${kib}k`);
    await oneSize(row, command, disk, whole.files, `size=1g,nr_inodes=${2 + Math.floor((step * files * 1.2) / steps)}`);
  }
}

async function oneSize(
  row: Row,
  command: KilledCommand,
  disk: string,
  whole: ReadonlyMap<string, string>,
  options: string,
): Promise<void> {
  umount(disk);
  mount(disk, options);
  const folders = ["work", "tmp"].map((name) => join(disk, name));
  if (spawnSync("mkdir", folders).status !== 0) {
    add(row, "no room for folders");
    return;
  }
  const env = command.env ?? {};
  const end = await run(command.args, disk, { env });
  const isFull = end.code === 6 || end.code === 8;
  add(row, isFull ? "refused" : end.code === 0 ? "had room" : `code ${end.code}`, end.ms);
  const lines = end.stderr.split("\n").filter((line) => line.startsWith("if-gen:"));
  const faults = [
    ...(isCrash(end) || (end.code !== 0 && !isFull) ? [`code ${end.code}: ${end.stderr.slice(-600)}`] : []),
    ...(isFull && (lines.length !== 1 || !/full|room|free/.test(lines[0] ?? ""))
      ? [`says ${end.stderr.slice(-600)}`]
      : []),
    ...readdirSync(join(disk, "tmp")).map((name) => `${name} is left in the temporary folder`),
    ...(await command.faults(disk)),
  ];
  judge(row, options, faults);
  spawnSync("mount", ["-o", `remount,${plenty}`, disk]);
  const next = await run(command.args, disk, { env });
  judge(row, `${options}, then with room`, endFaults(next, whole, disk, command));
}

const mount = (folder: string, options: string): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]).status === 0;

const umount = (folder: string): void => void spawnSync("umount", [folder]);

/** KiB, or files. */
const used = (folder: string, what: string): number =>
  Number(spawnSync("df", ["-k", what, folder], { encoding: "utf8" }).stdout.split("\n")[1]);
