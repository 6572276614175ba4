#!/usr/bin/env node
import { main } from "../dist/cli/main.js";

process.env.ORT_DISABLE_TELEMETRY ??= "1"; // onnxruntime's builds report to Microsoft unless told not to; stages inherit it
process.exitCode = await main(process.argv.slice(2));
