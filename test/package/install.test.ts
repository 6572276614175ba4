/** The package installed from its tarball: in a project, for all projects, and as a library that TypeScript reads. */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INSTALL_TIMEOUT_MS, installGlobally, installInProject, pack, root, run, temporaryFolder } from "./npm.ts";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

let tarball = "";
beforeAll(async () => {
  tarball = await pack(temporaryFolder(afterAll));
}, INSTALL_TIMEOUT_MS);

/** @returns the bytes of a small image, drawn by an installed program. */
async function draw(program: string, words: readonly string[]): Promise<Buffer> {
  const folder = temporaryFolder();
  const options = ["--seed", "1", "--until", "64", "--stage-1-steps", "4", "--execution-provider", "cpu"];
  await run(program, [...words, "txt2img", "a red circle", ...options, "-o", "out.png"], {
    cwd: folder,
    env: { HOME: folder },
  });
  return readFileSync(join(folder, "out.png"));
}

describe("in an empty project", () => {
  const project = temporaryFolder(afterAll);
  beforeAll(() => installInProject(tarball, project), INSTALL_TIMEOUT_MS);

  const program = join(project, "node_modules", ".bin", "if-gen");

  test("the command says its version", async () => {
    expect(await run(program, ["--version"], { cwd: project })).toEqual({ stdout: `${version}\n`, stderr: "" });
  });

  test("the demo comes with it and draws the image that the clone draws", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    const image = await draw(program, []);
    expect(image.equals(await draw(process.execPath, [join(root, "bin", "if-gen.js")]))).toBe(true);
    expect([image.readUInt32BE(16), image.readUInt32BE(20)]).toEqual([64, 64]); // width and height, of PNG's IHDR
  });

  describe("the library", () => {
    beforeAll(() => {
      cpSync(join(root, "node_modules", "@types", "node"), join(project, "node_modules", "@types", "node"), {
        recursive: true,
      });
      cpSync(join(root, "node_modules", "undici-types"), join(project, "node_modules", "undici-types"), {
        recursive: true,
      });
      writeFileSync(join(project, "draw.ts"), CONSUMER);
    });

    // skipLibCheck is off: what the declarations themselves import must be there and right
    test.each([
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ])("compiles in a TypeScript project, module %s, resolution %s", async (module, moduleResolution) => {
      const compilerOptions = { target: "es2023", lib: ["es2023"], types: ["node"], strict: true, skipLibCheck: false };
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({ compilerOptions: { ...compilerOptions, module, moduleResolution }, files: ["draw.ts"] }),
      );
      const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
      const { stdout } = await run(process.execPath, [compiler], { cwd: project }).catch((error: Output) => error);
      expect(stdout).toBe("");
    });

    test("draws when that project runs", { timeout: INSTALL_TIMEOUT_MS }, async () => {
      const { stdout } = await run(process.execPath, ["draw.js"], { cwd: project, env: { HOME: project } });
      expect(JSON.parse(stdout)).toEqual({ images: 1, seed: 1 });
    });
  });
});

describe("for all projects", () => {
  test("the command says its version and draws", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    const program = join(await installGlobally(tarball, temporaryFolder()), "if-gen");
    expect(await run(program, ["--version"], { cwd: root })).toEqual({ stdout: `${version}\n`, stderr: "" });
    expect((await draw(program, [])).subarray(1, 4).toString()).toBe("PNG");
  });
});

interface Output {
  readonly stdout: string;
}

/** A program of somebody else's. The error that is expected shows that the declarations say something. */
const CONSUMER = `import { txt2img } from "if-gen";

const { images, seed } = await txt2img({ prompt: "a red circle", seed: 1, until: 64, stage1Steps: 4 });
const drawn: { images: number; seed: number } = { images: images.length, seed };
console.log(JSON.stringify(drawn));

// @ts-expect-error a prompt is text
export const wrong = (): unknown => txt2img({ prompt: 7 });
`;
