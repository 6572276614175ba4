import { describe, expect, test } from "vitest";
import { availableMemory } from "../../src/machine/available-memory.ts";

describe("free memory", () => {
  const reading =
    (files: Readonly<Record<string, string>>) =>
    (path: string): string => {
      const text = files[path];
      if (text === undefined) throw new Error(`no ${path}`);
      return text;
    };
  const meminfo = "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 kB\n";

  test("is the machine's where there is no tighter group", () => {
    const free = availableMemory(1, reading({ "/proc/meminfo": meminfo }));
    expect(free).toEqual({ bytes: 20_000_000 * 1024, source: "machine" });
    expect(availableMemory(123, reading({}))).toEqual({ bytes: 123, source: "machine" });
  });

  test("is what a group has left, its page cache not counted; an outer group may be tighter", () => {
    const files = {
      "/proc/meminfo": meminfo,
      "/proc/self/cgroup": "0::/user/job\n",
      "/sys/fs/cgroup/memory.max": "max\n",
      "/sys/fs/cgroup/memory.current": "1\n",
      "/sys/fs/cgroup/user/job/memory.max": "13000000000\n",
      "/sys/fs/cgroup/user/job/memory.current": "9000000000\n",
      "/sys/fs/cgroup/user/job/memory.stat": "anon 1000000000\ninactive_file 5000000000\nactive_file 3000000000\n",
    };
    expect(availableMemory(1, reading(files))).toEqual({ bytes: 12e9, source: "cgroup" });
    const outer = {
      "/sys/fs/cgroup/user/memory.max": "2000000000",
      "/sys/fs/cgroup/user/memory.current": "500000000",
    };
    expect(availableMemory(1, reading({ ...files, ...outer }))).toEqual({ bytes: 1.5e9, source: "cgroup" });
  });

  test("of a version 1 group", () => {
    const files = {
      "/proc/meminfo": meminfo,
      "/proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/abc\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "8000000000",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "3000000000",
      "/sys/fs/cgroup/memory/memory.stat": "total_inactive_file 1000000000\ntotal_active_file 0\n",
    };
    expect(availableMemory(1, reading(files))).toEqual({ bytes: 6e9, source: "cgroup" });
  });
});
