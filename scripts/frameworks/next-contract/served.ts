interface Served {
  proxy(request: Request): Promise<Response>;
  handle(request: Request, context: unknown): Promise<Response>;
}

/** What contract.mjs serves at the address that a request came to. */
export function servedTo(request: Request): Served {
  const { contract } = globalThis as unknown as { contract: Map<string, Served> };
  const served = contract.get(request.headers.get("x-contract") ?? "");
  if (served === undefined) throw new Error("Nothing is served here.");
  return served;
}
