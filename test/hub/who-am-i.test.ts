import { expect, test } from "vitest";
import { whoAmI } from "../../src/hub/who-am-i.ts";
import { hubErrorOf, startFixture } from "./cache.ts";

test("the account of a token, whatever the token looks like", async () => {
  const { hub, settings } = await startFixture();
  hub.accounts.set("oauth.jwt", "somebody-else");
  expect(await whoAmI({ ...settings, token: "hf_good" })).toEqual({ name: "somebody" });
  expect(await whoAmI({ ...settings, token: "oauth.jwt" })).toEqual({ name: "somebody-else" });
  expect(hub.seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer hf_good", "Bearer oauth.jwt"]);
});

test("none, a wrong one, offline", async () => {
  const { hub, settings } = await startFixture();
  expect(await hubErrorOf(() => whoAmI(settings))).toMatchObject({ reason: "token" });
  const offline = { ...settings, token: "hf_good", offline: true };
  expect(await hubErrorOf(() => whoAmI(offline))).toMatchObject({ reason: "offline" });
  expect(hub.seen).toEqual([]);
  const wrong = await hubErrorOf(() => whoAmI({ ...settings, token: "hf_wrong" }));
  expect(wrong).toMatchObject({ reason: "token" });
  expect(wrong.message).not.toContain("hf_wrong");
});

test("a name that would paint on the terminal", async () => {
  const { hub, settings } = await startFixture();
  hub.accounts.set("hf_good", "a\u001b[2Jb");
  expect(await whoAmI({ ...settings, token: "hf_good" })).toEqual({ name: "a\\u{1b}[2Jb" });
});
