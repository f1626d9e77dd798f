import { styleText } from "node:util";
import type { Environment, Output } from "./environment.ts";

type Style = "bold" | "dim" | "red" | "yellow" | "green" | "cyan";

/** Colours where a terminal shows them; NO_COLOR is respected. */
export function styled(stream: Output, style: Style, text: string): string {
  // Streams of tests are terminals that Node does not know.
  return stream.isTTY === true ? styleText(style, text, { stream, validateStream: true }) : text;
}

export function say({ stdout }: Environment, text: string): void {
  stdout.write(`${text}\n`);
}

/** For people at the terminal; never part of the answer. */
export function hint({ stderr }: Environment, text: string): void {
  stderr.write(`${styled(stderr, "dim", text)}\n`);
}

export function sayJson({ stdout }: Environment, value: unknown): void {
  stdout.write(`${jsonOf(value, 2)}\n`);
}

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON leaves C1 controls as they are, which move a terminal's cursor: text of browsers and users is escaped. */
export function jsonOf(value: unknown, indent?: number): string {
  const escaped = (text: string) =>
    [...Array(text.length).keys()]
      .map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join("");
  return JSON.stringify(value, undefined, indent).replace(UNSEEN, (found) =>
    found === "\n" ? found : escaped(found),
  );
}

/** Browsers name themselves: what they say must not move the cursor or forge a line. */
export const printable = (text: string): string => text.replace(UNSEEN, "�");

/** Columns as wide as their widest cell. The last one is as wide as it likes. */
export function table(
  environment: Pick<Environment, "stdout">,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, at) => Math.max(...all.map((row) => (row[at] ?? "").length)));
  const lines = all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const [first = "", ...rest] = lines;
  return [styled(environment.stdout, "bold", first), ...rest].join("\n");
}

/** UTC, to the second. */
export const moment = (at: number | undefined): string =>
  at === undefined ? "-" : `${new Date(at).toISOString().slice(0, 19).replace("T", " ")}Z`;

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export function size(bytes: number | undefined): string {
  if (bytes === undefined) return "-";
  const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
