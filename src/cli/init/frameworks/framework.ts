/** Gives a type, or nothing where JavaScript is written. */
export type Typed = (type: string) => string;

export interface Framework {
  readonly label: string;
  readonly packages: readonly string[];
  /** Packages with types only. */
  readonly types: readonly string[];
  readonly imports: (t: Typed) => readonly string[];
  /** Where `findUser`, the pages and the rest are, which all share. */
  readonly routes: (t: Typed) => string;
  /** Forms are read by the framework, or by a package of its own. */
  readonly readsForms: boolean;
}

export const core = (t: Typed) =>
  `import { createPsession${t(", type Device, type Session, type UserId")} } from "psession";`;

/** What stands before the routes: guards that send browsers to a form, and back. */
export const guards = `const members = requireLogin({ redirectTo: (path) => withNext("/sign-in", path) });
const confirmed = requireFresh({ within: "10m", redirectTo: (path) => withNext("/confirm", path) });`;
