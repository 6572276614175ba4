/**
 * @module tokenizers/html-parser
 * Markup -> events, as Python's html.parser reads it, malformed markup included: IF's caption cleaning was defined by
 * what that parser takes for a tag. Captions are full of stray "<" and "&", so the odd cases are the common ones.
 * Source: behaviour of html.parser and _markupbase in Python 3.11.7 (later releases read script and comments differently).
 */

import { UsageError } from "../errors.ts";
import { quote } from "../text.ts";
import { characterOfReference, namedCharacter, parseReference } from "./html-entities.ts";
import { pythonMatchAt, pythonRegExp, pythonStrip } from "./python-text.ts";

export interface HtmlEvents {
  data(text: string): void;
  startTag(name: string): void;
  /** "<name/>" */
  emptyTag(name: string): void;
  endTag(name: string): void;
  cdata(text: string): void;
  /** A comment, doctype, processing instruction or declaration: nothing of it is text. */
  hidden(): void;
}

const entityReference = /&([a-zA-Z][-.a-zA-Z0-9]*)[^a-zA-Z0-9]/uy;
const numericReference = /&(#(?:[0-9]+|[xX][0-9a-fA-F]+))[^0-9a-fA-F]/uy;
const nameOf = String.raw`[a-zA-Z][^\t\n\r\f />\x00]*`;
const attributeName = String.raw`(?<=['"\s/])[^\s/>][^\s/=>]*`;
const attributeValue = String.raw`\s*=+\s*(?:'[^']*'|"[^"]*"|(?!['"])[^>\s]*)`;
const gap = String.raw`(?:\s|/(?!>))*`;
const tagName = pythonMatchAt`(${nameOf})${gap}`;
const attribute = pythonMatchAt`${attributeName}(?:${attributeValue})?${gap}`;
/** A start tag up to its ">"; quoted values may hold one. */
const startTag = pythonMatchAt`<${nameOf}(?:[\s/]*(?:${attributeName}(?:${attributeValue}\s*)?${gap})*)?\s*`;
const endTag = pythonMatchAt`</\s*([a-zA-Z][-.a-zA-Z0-9:_]*)\s*>`;
const sectionName = pythonMatchAt`([a-zA-Z][-_.a-zA-Z0-9]*)\s*`;
const commentEnd = pythonRegExp`--\s*>`;
const sectionEnd = pythonRegExp`\]\s*\]\s*>`;
const officeSectionEnd = pythonRegExp`\]\s*>`;
const rawElements: ReadonlySet<string> = new Set(["script", "style"]);
const sections: ReadonlySet<string> = new Set(["temp", "cdata", "ignore", "include", "rcdata"]);
const officeSections: ReadonlySet<string> = new Set(["if", "else", "endif"]);

/** Where reading goes on; `stop` ends the pass and leaves the rest to the next one. */
interface Step {
  readonly next: number;
  readonly stop?: boolean;
}

/** In readers of markup: it is not complete. */
const incomplete = -1;

/** @throws {UsageError} a marked section ("<![x[") of a kind that html.parser refuses. */
export function parseHtml(markup: string, events: HtmlEvents): void {
  const parser = new HtmlParser(markup, events);
  parser.read(false);
  parser.read(true);
}

/** Owns the place in the text. It reads in two passes, as feed() and close() do: only the second settles what is cut off. */
class HtmlParser {
  private text: string;
  private readonly events: HtmlEvents;
  /** Inside <script> or <style>: only its end tag counts. */
  private rawElement: string | undefined;

  constructor(text: string, events: HtmlEvents) {
    this.text = text;
    this.events = events;
  }

  read(isLast: boolean): void {
    let position = 0;
    while (position < this.text.length) {
      const found = this.findMarkup(position);
      if (found < 0 && this.rawElement !== undefined) break;
      const start = found < 0 ? this.text.length : found;
      if (start > position) this.events.data(this.text.slice(position, start));
      position = start;
      if (position === this.text.length) break;
      const step = this.text[position] === "<" ? this.readTag(position, isLast) : this.readReference(position, isLast);
      position = step.next;
      if (step.stop === true) break;
    }
    const rest = this.text.slice(position);
    if (isLast && rest !== "" && this.rawElement === undefined) this.events.data(rest);
    this.text = rest;
  }

  private findMarkup(from: number): number {
    if (this.rawElement === undefined) return search(/[&<]/gu, this.text, from)?.index ?? -1;
    return search(new RegExp(pythonRegExp`</\s*${this.rawElement}\s*>`, "giu"), this.text, from)?.index ?? -1;
  }

  private readTag(start: number, isLast: boolean): Step {
    const end = this.readMarkup(start);
    if (end === undefined) return { next: start, stop: true };
    if (end !== incomplete) return { next: end };
    if (!isLast) return { next: start, stop: true };
    const close = this.text.indexOf(">", start + 1);
    const open = this.text.indexOf("<", start + 1);
    const next = close >= 0 ? close + 1 : open >= 0 ? open : start + 1;
    this.events.data(this.text.slice(start, next));
    return { next };
  }

  /** @returns where the markup ends, or `incomplete`; undefined for a "<" that ends the text. */
  private readMarkup(start: number): number | undefined {
    const { text, events } = this;
    if (/<[a-zA-Z]/uy.test(text.slice(start, start + 2))) return this.readStartTag(start);
    if (text.startsWith("</", start)) return this.readEndTag(start);
    if (text.startsWith("<!--", start)) return this.readHidden(search(commentEnd, text, start + 4));
    if (text.startsWith("<?", start)) return this.readHidden(search(/>/gu, text, start + 2));
    if (text.startsWith("<![", start)) return this.readSection(start);
    if (text.startsWith("<!doctype", start)) return this.readHidden(search(/>/gu, text, start + 9));
    if (text.startsWith("<!", start)) return this.readHidden(search(/>/gu, text, start + 2));
    if (start + 1 === text.length) return undefined;
    events.data("<");
    return start + 1;
  }

  private readHidden(end: RegExpExecArray | null): number {
    if (end === null) return incomplete;
    this.events.hidden();
    return end.index + end[0].length;
  }

  private readStartTag(start: number): number {
    const { text, events } = this;
    const end = findTagEnd(text, start);
    if (end === incomplete) return end;
    const name = search(tagName, text, start + 1);
    let position = start + 1 + (name?.[0].length ?? 0);
    while (position < end) {
      const found = search(attribute, text, position);
      if (found === null) break;
      position += found[0].length;
    }
    const tail = pythonStrip(text.slice(position, end));
    const tag = (name?.[1] ?? "").toLowerCase();
    if (tail === "/>") {
      events.emptyTag(tag);
    } else if (tail === ">") {
      events.startTag(tag);
      if (rawElements.has(tag)) this.rawElement = tag;
    } else {
      events.data(text.slice(start, end));
    }
    return end;
  }

  private readEndTag(start: number): number {
    const { text, events } = this;
    const close = text.indexOf(">", start + 1);
    if (close < 0) return incomplete;
    const exact = search(endTag, text, start);
    if (exact !== null) {
      this.rawElement = undefined;
      events.endTag((exact[1] ?? "").toLowerCase());
      return start + exact[0].length;
    }
    const name = search(tagName, text, start + 2);
    if (name === null) {
      if (close > start + 2) events.hidden();
      return close + 1;
    }
    events.endTag((name[1] ?? "").toLowerCase());
    return text.indexOf(">", start + 2 + name[0].length) + 1;
  }

  /** "<![cdata[ ... ]]>" and Office's "<![if ...]>". */
  private readSection(start: number): number {
    const { text, events } = this;
    if (start + 3 === text.length) return incomplete;
    const name = search(sectionName, text, start + 3);
    if (name !== null && start + 3 + name[0].length === text.length) return incomplete;
    const kind = name?.[1]?.toLowerCase() ?? "";
    if (!sections.has(kind) && !officeSections.has(kind)) {
      const found = text.slice(start, start + 20);
      throw new UsageError(
        `The text cannot be cleaned: ${quote(found)} opens a section HTML does not know; remove it.`,
      );
    }
    const end = search(sections.has(kind) ? sectionEnd : officeSectionEnd, text, start + 3);
    if (end === null) return incomplete;
    const body = text.slice(start + 3, end.index);
    if (body.startsWith("cdata[")) events.cdata(body.slice("cdata[".length));
    else events.hidden();
    return end.index + end[0].length;
  }

  private readReference(start: number, isLast: boolean): Step {
    const { text, events } = this;
    const isNumeric = text.startsWith("&#", start);
    const found = search(isNumeric ? numericReference : entityReference, text, start);
    if (found !== null) {
      const body = found[1] ?? "";
      events.data(isNumeric ? characterOfReference(parseReference(body)) : (namedCharacter(body) ?? `&${body}`));
      return { next: start + 1 + body.length + (found[0].endsWith(";") ? 1 : 0) };
    }
    if (isNumeric) {
      if (!text.includes(";", start)) return { next: start, stop: true };
      events.data("&#");
      return { next: start + 2, stop: true };
    }
    if (/^&[a-zA-Z#]/u.test(text.slice(start, start + 2))) {
      // The reference loses the "&" of a caption that ends in "&" and one letter.
      return { next: isLast && start + 2 === text.length ? start + 1 : start, stop: true };
    }
    if (start + 1 === text.length) return { next: start, stop: true };
    events.data("&");
    return { next: start + 1 };
  }
}

/** @returns after the ">" of the start tag at `start`; earlier if it is malformed; `incomplete` if the text ends first. */
function findTagEnd(text: string, start: number): number {
  const end = start + (search(startTag, text, start)?.[0].length ?? 0);
  const next = text.slice(end, end + 1);
  if (next === ">") return end + 1;
  if (next === "/") return text.startsWith("/>", end) ? end + 2 : incomplete;
  if (next === "" || /[a-z=]/iu.test(next)) return incomplete;
  return Math.max(end, start + 1);
}

function search(pattern: RegExp, text: string, from: number): RegExpExecArray | null {
  pattern.lastIndex = from;
  return pattern.exec(text);
}
