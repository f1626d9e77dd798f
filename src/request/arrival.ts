import type { Settings } from "../options/settings.ts";
import { type ProtocolTimes, protocolTimes } from "../protocol/times.ts";
import type { RequestFacts } from "./facts.ts";

/** When a request arrived, clamped: never in the future, and at most five minutes ago. */
export function arrivalOf(
  { arrivedAt }: Pick<RequestFacts, "arrivedAt">,
  now: number,
  { arrival }: Pick<ProtocolTimes, "arrival"> = protocolTimes,
): number {
  if (arrivedAt === undefined || Number.isNaN(arrivedAt)) return now;
  return Math.trunc(Math.min(now, Math.max(now - arrival, arrivedAt)));
}

/** Digits with a fraction: of seconds as nginx has it, of milliseconds (Heroku), or of microseconds (Apache, Render). */
const WRITTEN = /^(?:t=)?(\d{10}(?:\.\d{1,9})?|\d{13}(?:\.\d{1,9})?|\d{16})$/;
const PER_MILLISECOND: Readonly<Record<number, number>> = { 10: 0.001, 13: 1, 16: 1000 };

/**
 * The time that a proxy put into X-Request-Start. Of seconds there are ten digits until the year 2286; what is
 * written otherwise is ignored, and so are two times, of which the visitor may have sent one.
 */
export function readRequestStart(value: string | readonly string[] | undefined): number | undefined {
  const written = typeof value === "string" ? WRITTEN.exec(value.trim())?.[1] : undefined;
  if (written === undefined) return undefined;
  const [whole = ""] = written.split(".");
  const milliseconds = Number(written) / (PER_MILLISECOND[whole.length] ?? 1);
  // Doubles have no exact fractions of seconds.
  return Math.trunc(milliseconds + 0.001);
}

/** When a request that was `seen` here came: earlier, where a trusted proxy says so (`proxy.requestStart`). */
export function cameAt<Seen extends number | undefined>(
  { proxy }: Pick<Settings, "proxy">,
  header: (name: string) => string | readonly string[] | undefined,
  seen: Seen,
): Seen | number {
  const start = proxy.requestStart === undefined ? undefined : readRequestStart(header(proxy.requestStart));
  return start === undefined ? seen : Math.min(start, seen ?? start);
}
