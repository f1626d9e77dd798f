import {
  type MeterProvider,
  metrics,
  type ProxyTracerProvider,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { hasMethods } from "../../checks/shape.ts";
import { countInto } from "./metrics.ts";
import { spanInto } from "./spans.ts";

/** Where metrics and spans go. */
export interface InstrumentOptions {
  /** Where metrics go. Default: the API's global provider at the time of the call. */
  meterProvider?: MeterProvider | undefined;
  /** Where spans go. Default: the API's global provider. */
  tracerProvider?: TracerProvider | undefined;
}

const optionsSchema = v.strictObject({
  meterProvider: v.optional(
    v.custom<MeterProvider>((value) => hasMethods(value, ["getMeter"]), "must be a MeterProvider"),
  ),
  tracerProvider: v.optional(
    v.custom<TracerProvider>((value) => hasMethods(value, ["getTracer"]), "must be a TracerProvider"),
  ),
});

interface Use {
  users: number;
  readonly end: () => void;
}

const counting = new WeakMap<object, Use>();
const tracing = new WeakMap<object, Use>();

/**
 * Counts and traces what every psession of this process does, by OpenTelemetry; docs/observability.md has the names.
 * Call it once the SDK has started. Returns the function that ends it. A provider that is given to several calls gets
 * everything once, until each of them has been ended.
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  const given = checkedOptions("instrument", optionsSchema, options);
  const { meterProvider = metrics.getMeterProvider(), tracerProvider = trace.getTracerProvider() } = given;
  const ends = [
    share(counting, meterProvider, () => countInto(meterProvider)),
    share(tracing, behind(tracerProvider), () => spanInto(tracerProvider)),
  ];
  return () => {
    for (const end of ends.splice(0)) end();
  };
}

/** The API's global provider stands for the one that was registered; not by class, as there are two copies of it. */
const behind = (provider: TracerProvider & Partial<ProxyTracerProvider>): TracerProvider =>
  provider.getDelegate?.() ?? provider;

function share(uses: WeakMap<object, Use>, provider: object, begin: () => () => void): () => void {
  const use = uses.get(provider) ?? { users: 0, end: begin() };
  uses.set(provider, use);
  use.users++;
  return () => {
    use.users--;
    if (use.users > 0) return;
    uses.delete(provider);
    use.end();
  };
}
