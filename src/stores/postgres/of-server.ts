/** What the server itself says has an SQLSTATE, and leaves the connection usable unless it is closing it. */
export function isOfServer(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P|25P0[34])/.test(code);
}
