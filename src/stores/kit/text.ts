/*
 * Rows as text. They are flat, of text, numbers, truth values, digests and what is not there; JSON has no bytes, and
 * leaves out what is undefined.
 */

const BYTES = "base64:";
const TEXT = "text:";

export function encodeValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value as Record<string, unknown>).map(([name, field]) => [
    name,
    field instanceof Uint8Array
      ? BYTES + Buffer.from(field).toString("base64")
      : typeof field === "string"
        ? TEXT + field
        : (field ?? null),
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}

export function decodeValue(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) return value;
  const row = value as Record<string, unknown>;
  for (const name of Object.keys(row)) {
    const field = row[name];
    if (field === null) row[name] = undefined;
    else if (typeof field !== "string") continue;
    else if (field.startsWith(BYTES)) row[name] = Buffer.from(field.slice(BYTES.length), "base64");
    else row[name] = field.slice(TEXT.length);
  }
  return row;
}
