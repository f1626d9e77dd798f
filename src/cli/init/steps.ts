import { DEMO_USER } from "./app.ts";
import { INSECURE_HTTP } from "./config.ts";
import type { Variable } from "./env.ts";
import { isInstalled } from "./packages.ts";
import { type Choices, STORES } from "./stores.ts";
import { refusesTsImports } from "./tsconfig.ts";

/** What `psession init` did, and for what. */
export interface Result extends Choices {
  readonly cwd: string;
  readonly app: string;
  /** Files that are new. */
  readonly written: readonly string[];
  /** Lines that are new in .gitignore. */
  readonly ignored: readonly string[];
  readonly hadTsconfig: boolean;
  /** Undefined where variables come from elsewhere. */
  readonly env: { readonly file: string; readonly added: readonly Variable[] } | undefined;
  /** The file of variables is in git, so that no key was written there. */
  readonly isTracked: boolean;
  readonly variables: readonly Variable[];
  readonly needed: readonly string[];
  readonly forTypes: readonly string[];
}

/** Commands to be typed one after another, in any shell; the last one is the application. */
export function stepsOf({ cwd, store, typescript, app, env, needed, forTypes }: Result): string[] {
  const lacking = (packages: readonly string[]) => packages.filter((name) => !isInstalled(cwd, name));
  const install = (how: string, packages: readonly string[]) =>
    packages.length === 0 ? [] : [`npm install ${how}${packages.join(" ")}`];
  const withEnv = env === undefined ? "" : ` --env ${env.file}`;
  return [
    ...install("", lacking(needed)),
    ...install("--save-dev ", lacking(forTypes)),
    ...(typescript ? ["npx tsc --noEmit"] : []),
    ...(STORES[store].userIds.length === 0 ? [] : [`npx psession migrate${withEnv}`]),
    `npx psession doctor${withEnv}`,
    `node ${env === undefined ? "" : `--env-file=${env.file} `}${app}`,
  ];
}

/** For people. Commands stand alone on lines that begin with two spaces. */
export function summary(result: Result): string {
  const { typescript, app, written, ignored, hadTsconfig, env, isTracked, variables } = result;
  const added = env?.added ?? [];
  const toFillIn = added.filter(({ isToBeFilledIn }) => isToBeFilledIn);
  const isAppended = added.length > 0 && env !== undefined && !written.includes(env.file);
  const paragraphs = [
    [
      `Wrote ${list(written)}.`,
      ...(isAppended ? [`Added ${list(added.map(({ name }) => name))} to ${env.file}.`] : []),
      ...(ignored.length > 0 ? [`Added ${list(ignored)} to .gitignore.`] : []),
    ].join(" "),
    ...(isTracked ? [".env is tracked by git, so no key was written there."] : []),
    ...(env === undefined
      ? [
          `Set these where you type what follows:\n${variables.map(({ name, advice }) => `- ${name}: ${advice}`).join("\n")}`,
        ]
      : []),
    ...toFillIn.map(
      ({ name, value }) =>
        `Put the address of your database into ${env?.file}, in place of ${name}=${value()}`,
    ),
    ...(typescript && hadTsconfig && refusesTsImports(result.cwd)
      ? [
          'tsconfig.json needs "allowImportingTsExtensions" or "rewriteRelativeImportExtensions": Node finds .ts files by their whole names.',
        ]
      : []),
    ...(typescript && !process.features.typescript
      ? [`This is Node ${process.versions.node}: it runs TypeScript from 22.18 on.`]
      : []),
    `Next:\n${stepsOf(result)
      .map((step) => `  ${step}`)
      .join("\n")}`,
    `Then open http://localhost:3000 and sign in as ${DEMO_USER.email} with the password "${DEMO_USER.password}". With the tick you are still signed in after the browser was closed (or its cookie "psession" deleted), at the level "remembered", and Billing asks for the password.`,
    `${INSECURE_HTTP}=1 is for http://localhost only. Where users are, leave it out, serve https, set NODE_ENV=production, and put users of your own into ${app}, which refuses to start there until then.`,
  ];
  return paragraphs.join("\n\n");
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
