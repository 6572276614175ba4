#!/usr/bin/env node
try {
  const { main } = await import("../dist/program/main.js");
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error?.code !== "EMFILE") throw error; // Node opens many of the program's own files at once
  console.error("if-gen: too many files are open for this shell's limit; raise it (ulimit -n 1024). [STAGE]");
  process.exitCode = 7;
}
