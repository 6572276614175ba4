import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBombs } from "./bombs.ts";
import { CaseRunner } from "./cases.ts";

const root = mkdtempSync(join(tmpdir(), "if-gen-torture-"));
const golden = new URL("../../../test/golden/checkpoints/", import.meta.url).pathname;
const only = process.argv[2] ?? "";
try {
  const bombs = await makeBombs(root, (kind, folder) => {
    cpSync(join(golden, kind === "t5" ? "if-i/tokenizer" : "x4-upscaler/tokenizer"), folder, { recursive: true });
  });
  const runner = new CaseRunner();
  for (const bomb of bombs) {
    if (!bomb.name.includes(only)) continue;
    runner.end(); // what the one before took is given back
    const { outcome, message, ms, peakBytes } = await runner.run(bomb);
    const bad = ms > 2000 || peakBytes > 300e6 || !["read", "refused"].includes(outcome);
    console.log(
      `${bad ? "BAD " : "    "}${bomb.name.padEnd(55)} ${outcome.padEnd(8)} ${ms.toFixed(0).padStart(6)} ms ${(peakBytes / 1e6).toFixed(0).padStart(5)} MB  ${message.slice(0, bad ? 400 : 110).replaceAll(root, "")}`,
    );
  }
  runner.end();
} finally {
  rmSync(root, { recursive: true, force: true });
}
