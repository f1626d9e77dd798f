import type { IncomingMessage } from "node:http";
import { serve } from "../support/http.ts";

/**
 * Another site, 127.0.0.1 to the application's localhost: a provider that ends sign-ins with a form which its page posts,
 * and pages of an attacker.
 */
export class Provider {
  url = "";
  /** Who is signed in at the provider. */
  user = "ada";
  /** The forms that its pages post, by path. */
  readonly forms = new Map<string, { readonly action: string; readonly fields: readonly Field[] }>();
  readonly #codes = new Map<string, string>();

  async start(): Promise<this> {
    this.url = await serve((request, response) => {
      void this.#answer(request).then(([status, type, text]) => {
        response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(text);
      });
    });
    return this;
  }

  /** A code that an account of this user is given for, by whatever way. */
  codeFor(user: string): string {
    const code = `code-${this.#codes.size}`;
    this.#codes.set(code, user);
    return code;
  }

  async #answer(request: IncomingMessage): Promise<readonly [number, string, string]> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://provider");
    if (pathname === "/token") {
      const code = new URLSearchParams(await bodyOf(request)).get("code") ?? "";
      const user = this.#codes.get(code);
      this.#codes.delete(code);
      return user === undefined
        ? [400, "application/json", "{}"]
        : [200, "application/json", JSON.stringify({ id: user })];
    }
    if (pathname === "/authorize") {
      const fields: Field[] = [
        ["code", this.codeFor(this.user)],
        ["state", searchParams.get("state") ?? ""],
        // Names that forms stumble over.
        ["submit", `"><b>&'\r\n`],
      ];
      return [200, "text/html", posting(searchParams.get("redirect_uri") ?? "", fields)];
    }
    const form = this.forms.get(pathname);
    if (form !== undefined) return [200, "text/html", posting(form.action, form.fields)];
    return [404, "text/plain", ""];
  }
}

type Field = readonly [name: string, value: string];

const posting = (
  action: string,
  fields: readonly Field[],
): string => `<!doctype html><title>Another site</title>
<link rel="icon" href="data:,"><form method="post"></form><script>
const form = document.querySelector("form");
form.setAttribute("action", ${JSON.stringify(action)});
for (const [name, value] of ${JSON.stringify(fields).replaceAll("<", "\\u003c")}) {
  const input = document.createElement("input");
  Object.assign(input, { type: "hidden", name, value });
  form.append(input);
}
HTMLFormElement.prototype.submit.call(form);
</script>`;

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}
