/**
 * @module run/describe-issue
 * What zod found wrong with values that a program or a file gave, in a sentence: which value, what it is and what it must be.
 */

import type { z } from "zod";
import { quote } from "../text.ts";

type Issue = z.core.$ZodIssue;

/** @param given what was parsed. @returns "stage1Steps must be a whole number, and is \"many\"", without a full stop. */
export function describeIssue(issue: Issue | undefined, given: unknown): string {
  if (issue === undefined) return "the options are not valid";
  const path = issue.path
    .map((part, index) => (typeof part === "number" ? `[${part}]` : `${index ? "." : ""}${String(part)}`))
    .join("");
  const name = path || "what is given";
  if (issue.code === "custom") return `${name}: ${issue.message}`;
  if (issue.code === "unrecognized_keys") return `${name} has no ${issue.keys.map((key) => quote(key)).join(" or ")}`;
  const value = issue.path.reduce<unknown>((inside, part) => (inside as Record<PropertyKey, unknown>)?.[part], given);
  return value === undefined
    ? `${name} is missing; it must be ${demand(issue)}`
    : `${name} must be ${demand(issue)}, and is ${describeValue(value)}`;
}

function demand(issue: Issue): string {
  if (issue.code === "invalid_type") return typeNames[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") {
    return `${issue.values.length > 1 ? "one of " : ""}${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
  }
  if (issue.code === "invalid_union") {
    return [...new Set(issue.errors.flatMap(([first]) => (first ? [demandInside(first)] : [])))].join(" or ");
  }
  if (issue.code === "too_small") {
    if (issue.origin === "string") return "text that is not empty";
    if (issue.origin === "array") return `a list of ${issue.minimum} or more`;
    return `${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
  }
  if (issue.code === "too_big") {
    if (issue.origin === "array") return `a list of ${issue.maximum} at most`;
    return `${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
  }
  if (issue.code === "invalid_format") return issue.message;
  return `otherwise (${issue.message})`;
}

/** Of one of several forms: its own demand, or that of what is inside it. */
const demandInside = (issue: Issue): string =>
  issue.path.length === 0 ? demand(issue) : `a list in which each is ${demand(issue)}`;

const typeNames: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  bigint: "a bigint",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
};

/** "3", "an empty list", "a function". */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return quote(value, 40);
  if (value === null || ["number", "boolean", "bigint"].includes(typeof value)) return String(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (value === undefined) return "nothing";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
