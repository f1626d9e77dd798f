/** Schemes ignore case (RFC 3986 section 3.1); wss is what some proxies, such as Traefik, say of a WebSocket's handshake. */
export const isSecureScheme = (scheme: string): boolean => /^(?:https|wss)$/i.test(scheme);

/** As browsers write origins, which know http and https. */
export const originAt = (isSecure: boolean, host: string): string =>
  `${isSecure ? "https" : "http"}://${host}`;
