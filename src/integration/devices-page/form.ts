import type { IncomingMessage } from "node:http";
import { BodyTooLarge, LONGEST_BODY, piecesOf } from "../device-endpoints.ts";

/** What a form sent: by a parser of the application, or by `readForm`. */
export type FormFields = Readonly<Record<string, unknown>>;

/** The fields of a form in the text that browsers send; of several of one name, the last. */
export function parseForm(text: string): FormFields {
  if (Buffer.byteLength(text) > LONGEST_BODY) throw new BodyTooLarge();
  return Object.fromEntries(new URLSearchParams(text));
}

/** Reads up to the limit; throws `BodyTooLarge` beyond it. */
export async function readForm(chunks: AsyncIterable<Uint8Array> | null): Promise<FormFields> {
  const read: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of piecesOf(chunks)) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new BodyTooLarge();
    read.push(chunk);
  }
  return parseForm(Buffer.concat(read).toString());
}

/**
 * The form of a request of Node: as an earlier parser left it, or read here. A parser that leaves this kind of body alone
 * may have put an empty object there all the same.
 */
export async function formOf(request: IncomingMessage, parsed: unknown): Promise<FormFields> {
  if (typeof parsed === "string" || parsed instanceof Uint8Array) return parseForm(String(parsed));
  const isParsed = typeof parsed === "object" && parsed !== null && Object.keys(parsed).length > 0;
  if (isParsed) return parsed as FormFields;
  if (request.readableEnded) return {};
  try {
    // Destroying the request would destroy the connection, and with it the answer.
    return await readForm(request.iterator({ destroyOnReturn: false }));
  } finally {
    // As Node does with a body that no handler reads.
    request.resume();
  }
}
