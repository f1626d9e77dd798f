/*
 * The parts of Next that this integration calls, as of 15.5 and 16. Next itself is not installed here: it is as large
 * as everything else together. `npm run test:frameworks` compiles and runs against it.
 */
declare module "next/headers" {
  interface RequestCookies {
    set(name: string, value: string, attributes: object): unknown;
  }
  export function headers(): Promise<Headers>;
  export function cookies(): Promise<RequestCookies>;
}

declare module "next/server" {
  export const NextResponse: {
    next(init: { request: { headers: Headers } }): Response;
  };
  export function after(task: () => Promise<unknown>): void;
}

declare module "next/navigation" {
  export function redirect(location: string): never;
  export function unstable_rethrow(thrown: unknown): void;
}
