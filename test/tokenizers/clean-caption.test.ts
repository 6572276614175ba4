import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { cleanCaption, preprocessCaption } from "../../src/tokenizers/clean-caption.ts";
import { goldenPath } from "../golden.ts";

interface Golden {
  captions: { text: string; plain: string; clean: string; clean_once: string }[];
}

const { captions } = JSON.parse(readFileSync(goldenPath("prompts/captions.json"), "utf8")) as Golden;

test("there are captions", () => {
  expect(captions.length).toBeGreaterThan(50);
});

test.each(captions)("$text", ({ text, plain, clean, clean_once: cleanOnce }) => {
  expect(preprocessCaption(text, { cleanCaption: false })).toBe(plain);
  expect(cleanCaption(text)).toBe(cleanOnce);
  expect(preprocessCaption(text, { cleanCaption: true })).toBe(clean);
});

// Expected: IFPipeline._clean_caption, twice, with ftfy 6.3.1 and Beautiful Soup 4.15.0 on Python 3.11.7.
describe("both runs of the filter", () => {
  test.each([
    ["x&a", "xa"],
    ["AT&T", "att"],
    ["tom &jerry <b>bold</b>", "tom jerry bold"],
    ["a &#12a; <i>b</i> &#38 c", "a 12a; b c"],
    ["&#; <b>x</b>; y", "x; y"],
    ["<b>  </b>click<b>  </b>for x", ""],
    ["a<![CDATA[]]>b", "a b"],
    ["<template>no <b>no</b></template>yes <ruby>\u6f22<rt>kan</rt></ruby>", "yes"],
    ["<br>1</br><br/>2<hr>3", "123"],
    ["a <b title='x>y' c>bold</b d> e</3> f", "a bold e f"],
    ["1<2 and <3", "1<2 and <3"],
    ["<p", "<p"],
    ["<!-- open", "<!- open"],
    ["<style>x{}</style y>z", ""],
    ["see <![if ie]>office<![endif]> <?php x ?>", "see office"],
    ["it\u00e2\u20ac\u2122s \u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d", 'it\u2020s "quoted"'],
    ["\u00c3\u00a9t\u00c3\u00a9 &Atilde;&copy;", "\u00e3 t\u00e3 \u00e3"],
    ["the \uff06lt;b\uff06gt; \uff06amp;eacute;", "the \u00e9"],
    ["\uff26\uff35\uff2c\uff2c\u3000\ufb01 \u01c6 \u0149", "full fi d\u017e 'n"],
    ["\u001b[31mred\u001b[0m text", "31mred 0m text"],
    ["a\u2028b\u0085c\r\nd", "a b\u2026c d"],
    ["free  shipping and   click  on it", "and"],
    ["%F0%9F%98%80%80 a%2Bb", "\ud83d\ude00\ufffd a b"],
    ["3.5\u00d74 2\u04452", ""],
    ["foo-bar_baz-qux_x", "foo bar baz qux x"],
    ["&notit; &amp;notit; \uff06notit;", "notit notit; \u00acit;"],
    ["cafe\u0301 \u00c5", "caf\u00e9 \u00e5"],
    ["\ufeffx\u206ay\ufffcz", "xyz"],
    ["K\u212a \u017f \u0130 \u0391\u03a3 \u0391\u03a3.", "kk \u017f i\u0307 \u03b1\u03c2 \u03b1\u03c2."],
    [
      "\u0432\u0402\u2122 \u00d0\u00bf\u00d1\u20ac\u00d0\u00b8\u00d0\u00b2\u00d0\u00b5\u00d1\u201a",
      "\u0432\u0452 \u00f0 \u00f1\u20ac\u00f0\u00b8\u00f0\u00b2\u00f0\u00b5\u00f1",
    ],
  ])("%j", (text, cleaned) => {
    expect(preprocessCaption(text, { cleanCaption: true })).toBe(cleaned);
  });
});

test("markup that the reference's parser refuses is refused", () => {
  expect(() => preprocessCaption("a <![nonsense[b]]>", { cleanCaption: true })).toThrow(UsageError);
  expect(() => preprocessCaption("a <![ b", { cleanCaption: true })).toThrow(/cannot be cleaned/);
  expect(preprocessCaption("A <![ b", { cleanCaption: false })).toBe("a <![ b");
});

test("lone surrogates become U+FFFD", () => {
  expect(preprocessCaption("x\ud800 ", { cleanCaption: false })).toBe("x\ufffd");
});
