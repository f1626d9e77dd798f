/** What a visitor reads where no page can be shown: no more than the status says. */
export const apologyFor = (status: number): string =>
  status === 503 ? "Service unavailable, please try again.\n" : "Something went wrong.\n";

/** The status that an error asks for, where it asks for one that errors have. */
export function statusOf(error: unknown): number {
  const status = error instanceof Error && "status" in error ? error.status : undefined;
  return typeof status === "number" && status >= 400 && status <= 599 ? status : 500;
}

/** The headers that an error asks for, and in any case that nobody keeps its answer. */
export function headersOfError(error: unknown): Readonly<Record<string, string>> {
  const { headers } = (error instanceof Error ? error : {}) as { headers?: Record<string, string> };
  return { "Cache-Control": "no-store", ...(typeof headers === "object" ? headers : {}) };
}
