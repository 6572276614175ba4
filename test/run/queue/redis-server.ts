/** A Redis of one test's own, on a free port, keeping all that it is told (AOF) as one that matters does. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { Redis } from "ioredis";

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

export interface RedisServer {
  readonly url: string;
  readonly start: () => Promise<void>;
  /** As a machine that is lost. */
  readonly kill: () => Promise<void>;
}

/** @param folder for what it keeps. */
export async function createRedis(folder: string): Promise<RedisServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  };
  const start = async (): Promise<void> => {
    const words = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes"];
    server = spawn("redis-server", words, { stdio: "ignore" });
    const redis = new Redis(url, { retryStrategy: () => 100, maxRetriesPerRequest: 100 });
    redis.on("error", () => undefined); // until it listens
    await redis.ping();
    redis.disconnect();
  };
  await start();
  return { url, start, kill };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
