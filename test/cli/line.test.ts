import { describe, expect, test } from "vitest";
import stringWidth from "string-width";
import { type Part, createLiveLine, fitLine, usableColumns } from "../../src/cli/line.ts";

const parts: readonly Part[] = [
  { text: "[2/4]", rank: 3 },
  { text: "stage 1", rank: 1 },
  { bar: 0.5, rank: 2 },
  { text: "0:02 left", rank: 9 },
];

describe("a line that is made to fit", () => {
  test.each([
    [60, `[2/4]  stage 1  ${"█".repeat(12)}${"░".repeat(12)}  0:02 left`],
    [40, `[2/4]  stage 1  ${"█".repeat(7)}${"░".repeat(6)}  0:02 left`],
    [32, `[2/4]  stage 1  ███░░  0:02 left`],
    [31, `[2/4]  ${"█".repeat(7)}${"░".repeat(6)}  0:02 left`],
    [22, `[2/4]  0:02 left`],
    [9, `0:02 left`],
    [5, `0:02…`],
  ])("in %d columns", (columns, line) => {
    expect(fitLine(parts, columns)).toBe(line);
  });

  test("never takes more columns than there are, and is the longer the more there are", () => {
    for (let columns = 1; columns < 120; columns++) {
      expect(stringWidth(fitLine(parts, columns))).toBeLessThanOrEqual(columns);
    }
  });

  test("a wide sign is two columns", () => {
    expect(fitLine([{ text: "猫猫猫", rank: 1 }], 5)).toBe("猫猫…");
    expect(fitLine([{ text: "猫猫猫", rank: 1 }], 6)).toBe("猫猫猫");
    expect(
      fitLine(
        [
          { text: "猫", rank: 1 },
          { bar: 1, rank: 2 },
        ],
        9,
      ),
    ).toBe("猫  █████");
    expect(
      fitLine(
        [
          { text: "猫", rank: 1 },
          { bar: 1, rank: 2 },
        ],
        8,
      ),
    ).toBe("████████");
  });

  test("empty parts are no parts, and a bar that is more than full is full", () => {
    expect(
      fitLine(
        [
          { text: "", rank: 9 },
          { bar: 1.5, rank: 1 },
        ],
        10,
      ),
    ).toBe("██████████");
  });
});

test("a terminal that does not know its width has 80 columns", () => {
  const write = (): void => undefined;
  expect([{ write }, { write, columns: 0 }, { write, columns: 40 }].map(usableColumns)).toEqual([79, 79, 39]);
});

describe("the line that is redrawn", () => {
  const watch = (isTTY: boolean) => {
    const written: string[] = [];
    return { written, line: createLiveLine({ isTTY, columns: 20, write: (text) => written.push(text) }) };
  };

  test("makes room for lines above it, and ends once", () => {
    const { line, written } = watch(true);
    line.draw([{ text: "a", rank: 1 }]);
    line.print("above");
    line.draw([{ text: "b", rank: 1 }]);
    line.end();
    line.end();
    line.clear();
    expect(written).toEqual(["\r\u001b[Ka", "\r\u001b[K", "above\n", "\r\u001b[Kb", "\n"]);
  });

  test("what is painted above it has rows of its own, until something else stands between", () => {
    const { line, written } = watch(true);
    const shown = { text: "image", rows: 2 };
    line.paint(shown);
    line.draw([{ text: "a", rank: 1 }]);
    line.paint(shown);
    line.end();
    line.paint(shown);
    const painted = "\u001b[2A\u001b7image\u001b8\u001b[2B";
    expect(written).toEqual([
      `\r\u001b[K\n\n${painted}`,
      "\r\u001b[Ka",
      `\r\u001b[K${painted}`,
      "\n",
      `\r\u001b[K\n\n${painted}`,
    ]);
  });

  test("is not drawn in a pipe", () => {
    const { line, written } = watch(false);
    line.draw([{ text: "a", rank: 1 }]);
    line.paint({ text: "image", rows: 2 });
    line.print("above");
    line.end();
    expect(written).toEqual(["above\n"]);
  });
});
