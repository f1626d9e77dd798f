import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Counter, Histogram, Meter, MeterProvider } from "@opentelemetry/api";
import type { EventName, PsessionEvents } from "../../events.ts";
import { type BatchFacts, batches, openings, storeCalls } from "../tracing.ts";
import { onFinished } from "./calls.ts";
import {
  ATTRIBUTES,
  COUNTERS,
  errorTypeOf,
  type Facts,
  HISTOGRAMS,
  reasonNamed,
  SCOPE,
  skippedNamed,
} from "./definitions.ts";

type Add = (name: keyof typeof COUNTERS, value?: number, facts?: Facts) => void;

const { change, error, operation, outcome, reason, remembered, rowKind, skipped, store, why } = ATTRIBUTES;

/** What is counted of the events. */
const COUNTED: { readonly [K in EventName]?: (event: PsessionEvents[K], add: Add) => void } = {
  login: (event, add) => add("psession.logins", 1, { [remembered]: event.remembered }),
  signInFailed: (_event, add) => add("psession.signin.failures"),
  signInThrottled: (_event, add) => add("psession.signin.throttles"),
  restored: (_event, add) => add("psession.restores"),
  recovered: (_event, add) => add("psession.recoveries"),
  converged: (_event, add) => add("psession.convergences"),
  rotated: (_event, add) => add("psession.rotations"),
  theft: (_event, add) => add("psession.thefts"),
  revoked: (event, add) => add("psession.revocations", 1, { [reason]: reasonNamed(event.reason) }),
  revokedEveryone: (event, add) =>
    add("psession.revocations", event.count, { [reason]: reasonNamed(event.reason) }),
  bound: (_event, add) => add("psession.bound.registrations"),
  boundRefreshed: (_event, add) => add("psession.bound.refreshes"),
  boundRefused: (event, add) => add("psession.bound.refusals", 1, { [why]: event.why }),
  boundSkipped: (event, add) => add("psession.bound.skips", 1, { [skipped]: skippedNamed(event.reason) }),
  mergeRetried: (_event, add) => add("psession.merge.retries"),
  mergeConflict: (_event, add) => add("psession.merge.conflicts"),
  saveDiscarded: (_event, add) => add("psession.discarded.saves"),
  pruned: ({ sessions, logins, audit }, add) => {
    add("psession.pruned.rows", sessions, { [rowKind]: "session" });
    add("psession.pruned.rows", logins, { [rowKind]: "login" });
    add("psession.pruned.rows", audit, { [rowKind]: "audit" });
  },
  generationAhead: (_event, add) => add("psession.store.losses"),
  clockSkew: (_event, add) => add("psession.clock.skews"),
  unknownKeyCookies: ({ count }, add) => add("psession.unknown.key.cookies", count),
  auditLost: ({ count }, add) => add("psession.audit.losses", count),
};

/** Counts into this provider what every psession of the process does, until the function that it returns is called. */
export function countInto(provider: MeterProvider): () => void {
  const meter = provider.getMeter(SCOPE);
  const add = countersOf(meter);
  const record = histogramsOf(meter);
  const ends = [
    ...Object.entries(COUNTED).map(([type, count]) =>
      onMessage(`psession:${type}`, (event) => count(event as never, add)),
    ),
    onFinished(openings, (context) =>
      add("psession.opens", 1, "error" in context ? errorOf(context) : { [outcome]: context.outcome }),
    ),
    onFinished(storeCalls, (context, begun) => {
      const of = { [store]: context.store, [operation]: context.operation, ...errorOf(context) };
      const facts = context.change === undefined ? of : { ...of, [change]: context.change };
      record("psession.store.operation.duration", (performance.now() - begun) / 1000, facts);
      if ("error" in context) add("psession.store.errors");
    }),
    onMessage(batches.name, (batch) => {
      const { size, ...of } = batch as BatchFacts;
      record("psession.batch.size", size, { [store]: of.store, [operation]: of.operation });
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

const errorOf = (context: { readonly error?: unknown }): Facts =>
  "error" in context ? { [error]: errorTypeOf(context.error) } : {};

function onMessage(name: string | symbol, listener: (message: unknown) => void): () => void {
  subscribe(name, listener);
  return () => void unsubscribe(name, listener);
}

function countersOf(meter: Meter): Add {
  const counters = new Map<string, Counter<Facts>>();
  for (const [name, { unit, description, attributes }] of Object.entries(COUNTERS)) {
    const counter = meter.createCounter(name, { unit, description });
    // Without a zero first, the series would begin with its first theft, and `increase` would miss that one.
    if (attributes.length === 0) counter.add(0);
    counters.set(name, counter);
  }
  return (name, value = 1, facts = {}) => counters.get(name)?.add(value, facts);
}

function histogramsOf(meter: Meter): (name: keyof typeof HISTOGRAMS, value: number, facts: Facts) => void {
  const histograms = new Map<string, Histogram<Facts>>();
  for (const [name, { unit, description, boundaries }] of Object.entries(HISTOGRAMS)) {
    const advice = { explicitBucketBoundaries: [...boundaries] };
    histograms.set(name, meter.createHistogram(name, { unit, description, advice }));
  }
  return (name, value, facts) => histograms.get(name)?.record(value, facts);
}
