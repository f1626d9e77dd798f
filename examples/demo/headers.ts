import type { NextFunction, Request, Response } from "express";

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function setSecurityHeaders(response: Response): void {
  response.set({
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
  });
}

/** Pages show data of one visitor: no cache may keep a copy. */
export function setNoStore(response: Response): void {
  response.set("Cache-Control", "no-store");
}

export function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  setSecurityHeaders(response);
  next();
}

export function noStore(_request: Request, response: Response, next: NextFunction): void {
  setNoStore(response);
  next();
}
