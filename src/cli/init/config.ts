import { type Choices, STORES } from "./stores.ts";

/** Turns plain http on: a variable of its own, as NODE_ENV=development stands in many a place that serves users. */
export const INSECURE_HTTP = "PSESSION_INSECURE_HTTP";
export const KEYS = "SESSION_KEYS";

/** The configuration that the application imports and the command line reads. */
export function configFor({ store: name, userIds, typescript }: Omit<Choices, "framework">): string {
  const { imports, before = "", store } = STORES[name];
  // The tables are made for it, so it is written out where a developer would change it.
  const more = userIds === undefined ? "" : `, userIds: "${userIds}"`;
  const type = typescript ? ", type PsessionOptions" : "";
  const [begin, end] = typescript
    ? ["export default {", "} satisfies PsessionOptions;"]
    : ['/** @satisfies {import("psession").PsessionOptions} */\nexport default {', "};"];
  return `import { dangerouslyAllowInsecureHttp${type} } from "psession";
${imports.join("\n")}

${before === "" ? "" : `${before}\n`}${begin}
  store: ${store(more)},
  // Secrets with commas between them, the first signs: psession keys generate
  keys: process.env.${KEYS},
  // Cookies over plain http, for http://localhost only; refused where NODE_ENV is "production".
  [dangerouslyAllowInsecureHttp]: process.env.${INSECURE_HTTP} === "1",
${end}

/** What \`psession doctor\` cannot see by itself. */
export const deployment = {
  production: process.env.NODE_ENV === "production",
  // url: "https://example.com/", // a page that uses its session
  // trustProxy: true,
};
`;
}
