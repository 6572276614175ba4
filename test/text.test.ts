import { expect, test } from "vitest";
import { isPrintable, printable, quote } from "../src/text.ts";

test.each([
  ["unet/config.json", '"unet/config.json"'],
  ["a\u001b]0;title\u0007b", '"a\\u{1b}]0;title\\u{7}b"'],
  ["gnp.\u202egnp\u2066", '"gnp.\\u{202e}gnp\\u{2066}"'],
  ["line\nbreak\u2028", '"line\\u{a}break\\u{2028}"'],
  ["half \ud800", '"half \\u{d800}"'],
  ["日本 café 🦊", '"日本 café 🦊"'],
])("quote(%j)", (text, quoted) => {
  expect(quote(text)).toBe(quoted);
});

test("a long text is shortened, without cutting a character in two", () => {
  expect(printable("x".repeat(1_000_000))).toBe(`${"x".repeat(80)}…`);
  expect(printable("🦊".repeat(5), 3)).toBe("🦊🦊🦊…");
  expect(printable("abc", 3)).toBe("abc");
});

test("what needs no escapes", () => {
  expect(isPrintable("model-00001.safetensors")).toBe(true);
  expect(isPrintable("x\u0000.safetensors")).toBe(false);
});
