/**
 * @module tokenizers/html-text
 * Markup -> its text, as BeautifulSoup(markup, "html.parser").text gives it.
 * Source: behaviour of Beautiful Soup 4.15: comments, declarations and the contents of script, style, template, rt and
 * rp are no text; text that is nothing but white space becomes one space or line break, except in pre and textarea.
 */

import { parseHtml, type HtmlEvents } from "./html-parser.ts";

const silent: ReadonlySet<string> = new Set(["script", "style", "template", "rt", "rp"]);
const preformatted: ReadonlySet<string> = new Set(["pre", "textarea"]);
const voidElements: ReadonlySet<string> = new Set(
  (
    "area base basefont bgsound br col command embed frame hr image img input isindex keygen link menuitem meta " +
    "nextid param source spacer track wbr"
  ).split(" "),
);

/** @throws {UsageError} the markup is of a kind that the parser refuses. */
export function extractHtmlText(markup: string): string {
  const soup = new Soup();
  parseHtml(markup, soup);
  soup.endText();
  return soup.text;
}

/** Owns the open elements and the piece of text being collected. */
class Soup implements HtmlEvents {
  text = "";
  private pending: string[] = [];
  private readonly open: string[] = [];
  /** Void elements closed on sight, whose own end tag may still come. */
  private readonly closed: string[] = [];

  data(text: string): void {
    this.pending.push(text);
  }

  startTag(name: string): void {
    this.endText();
    this.open.push(name);
    if (voidElements.has(name)) {
      this.close(name);
      this.closed.push(name);
    }
  }

  emptyTag(name: string): void {
    this.endText();
    this.open.push(name);
    this.endTag(name);
  }

  endTag(name: string): void {
    const expected = this.closed.indexOf(name);
    if (expected >= 0) this.closed.splice(expected, 1);
    else this.close(name);
  }

  cdata(text: string): void {
    this.endText();
    this.pending.push(text);
    this.endText(true);
  }

  hidden(): void {
    this.endText();
  }

  endText(isCdata = false): void {
    if (this.pending.length === 0) return;
    let text = this.pending.join("");
    this.pending = [];
    const keepsSpace = this.open.some((name) => preformatted.has(name));
    if (!keepsSpace && /^[ \n\t\f\r]*$/u.test(text)) text = text.includes("\n") ? "\n" : " ";
    if (isCdata || !this.open.some((name) => silent.has(name))) this.text += text;
  }

  private close(name: string): void {
    this.endText();
    const place = this.open.lastIndexOf(name);
    if (place >= 0) this.open.length = place;
  }
}
