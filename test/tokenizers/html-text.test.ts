/** Expected: BeautifulSoup(markup, "html.parser").text, Beautiful Soup 4.15.0 on Python 3.11.7. */

import { expect, test } from "vitest";
import { unescapeHtml } from "../../src/tokenizers/html-entities.ts";
import { extractHtmlText } from "../../src/tokenizers/html-text.ts";

test.each([
  ["a<b>b</b>c", "abc"],
  ["<!-- x -->y", "y"],
  ["<!doctype html>t", "t"],
  ["<script>if (a<b) {}</script>z", "z"],
  ["<pre>  \n </pre>|<b>  \n </b>|", "  \n |\n|"],
  ["x &eacute; &foo; &#x41; &#65 &#128; &#0;", "x \u00e9 &foo A A \u20ac \ufffd"],
  ["<p>open <i>never closed", "open never closed"],
  ["a</b>c", "ac"],
  ["<![cdata[x & <b>]]>y", "x & <b>y"],
  ["a < b <> </> <3", "a < b <>  <3"],
  ['<a href="1>2">l</a>', "l"],
  ['<a href="1>2>l</a>', '<a href="1>2>l'],
  ["<textarea> </textarea>q", " q"],
  ["&#;<b>x</b>", "&#;x"],
  ["<script>never closed", ""],
])("%j", (markup, text) => {
  expect(extractHtmlText(markup)).toBe(text);
});

// Expected: Python's html.unescape.
test.each([
  ["&lt;&lt&gt;&gtx", "<<>>x"],
  ["&notit; &notin; &not;", "¬it; ∉ ¬"],
  ["&#128; &#x80; &#x1; &#0; &#xd; &#xfffe; &#1114112;", "€ €  � \r  �"],
  ["&nothing; &zzz; & &; &#; &#x;", "¬hing; &zzz; & &; &#; &#x;"],
  ["&ncong;&nvlt;", "≇<\u20d2"],
])("references: %j", (text, unescaped) => {
  expect(unescapeHtml(text)).toBe(unescaped);
});

test.each([
  ["&#1;&#x1f;&#127;&#xfdd0;|", "|"],
  ["&#9;&#10;&#13;|", "\t\n\r|"],
])("controls and noncharacters that Python drops, and those that it keeps: %j", (text, unescaped) => {
  expect(unescapeHtml(text)).toBe(unescaped);
});
