/** A browser without scripts, over HTTP: it fills in forms as they are, and follows redirects. */
import { attributeOf, unescaped } from "../../tests/support/html.ts";
import { type Answer, HttpClient } from "../../tests/support/http.ts";

export const PASSWORD = "only for trying it out";
const PAGE = { accept: "text/html" };

export interface Sent {
  readonly fields?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Visitor extends HttpClient {
  #shown: Answer | undefined;
  #path = "/";

  /** Path and query of the page that is shown. */
  get path(): string {
    return this.#path;
  }

  /** Of the page that is shown, whatever a framework puts between its pieces. */
  get heading(): string | undefined {
    const [, heading] = /<h1[^>]*>([\s\S]*?)<\/h1>/.exec(this.#shown?.text ?? "") ?? [];
    return heading === undefined ? undefined : unescaped(heading.replaceAll(/<!--.*?-->/g, ""));
  }

  /** Asks for a page, and goes where it is sent. */
  async open(path: string): Promise<Answer> {
    return this.#follow(path, await this.get(path, PAGE));
  }

  /** Presses a button of the page that is shown, and goes where that leads. */
  async press(button: string, sent: Sent = {}): Promise<Answer> {
    const { action, answer } = await this.#send(button, sent);
    return this.#follow(action, await answer);
  }

  /** Presses a button, and looks at the answer itself. */
  async send(button: string, sent: Sent = {}): Promise<Answer> {
    return (await this.#send(button, sent)).answer;
  }

  async signIn(email = "ada@example.com", more: Readonly<Record<string, string>> = {}): Promise<Answer> {
    await this.open("/login");
    return this.press("Sign in", { fields: { email, password: PASSWORD, ...more } });
  }

  async #send(button: string, { fields = {}, headers = {} }: Sent) {
    const forms = [...(this.#shown?.text ?? "").matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g)];
    const [, tag = "", inner = ""] = forms.find(([, , inside = ""]) => hasButton(inside, button)) ?? [];
    if (inner === "") throw new Error(`${this.#path} has no button "${button}":\n${this.#shown?.text}`);
    const action = new URL(attributeOf(tag, "action") || this.#path, this.base + this.#path);
    const isMultipart = /enctype="multipart\/form-data"/i.test(tag);
    const body = isMultipart ? new FormData() : new URLSearchParams();
    const filled = new Map(Object.entries(fields));
    for (const [input] of inner.matchAll(/<input[^>]*>/g)) {
      const name = attributeOf(input, "name");
      const isTick = attributeOf(input, "type") === "checkbox";
      if (name === undefined || (isTick && !filled.has(name))) continue;
      body.append(name, filled.get(name) ?? attributeOf(input, "value") ?? "");
      filled.delete(name);
    }
    if (filled.size > 0) throw new Error(`The form has no ${[...filled.keys()].join(", ")}.`);
    const path = action.pathname + action.search;
    const answer = this.request(path, {
      method: "POST",
      headers: { ...PAGE, origin: this.base, "sec-fetch-site": "same-origin", ...headers },
      body,
    });
    return { action: path, answer };
  }

  async #follow(from: string, first: Answer): Promise<Answer> {
    let [path, answer] = [from, first];
    for (let hops = 0; answer.headers.has("location"); hops++) {
      if (hops > 5) throw new Error(`${from} redirects for ever.`);
      const to = new URL(answer.headers.get("location") ?? "", this.base + path);
      path = to.pathname + to.search;
      answer = await this.get(path, PAGE);
    }
    this.#path = path;
    this.#shown = answer;
    return answer;
  }
}

const hasButton = (form: string, button: string): boolean =>
  [...form.matchAll(/<button[^>]*>([\s\S]*?)<\/button>/g)].some(
    ([, text = ""]) => unescaped(text.replaceAll(/<!--.*?-->/g, "")).trim() === button,
  );
