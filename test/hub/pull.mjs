// A process that pulls a repository, for tests that end it at any moment. Runs what `npm run build` made.
// argv: settings as JSON, repo, revision. Prints what it got as JSON, or the error's code and message.

import { downloadFiles } from "../../dist/hub/download-files.js";

const [settings = "{}", repo = "", revision = ""] = process.argv.slice(2);
try {
  const { commit, files } = await downloadFiles(JSON.parse(settings), repo, revision, () => true);
  console.log(JSON.stringify({ commit, paths: files.map(({ path }) => path) }));
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 8;
}
