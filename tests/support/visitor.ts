import { attributeOf, unescaped } from "./html.ts";
import { HttpClient } from "./http.ts";

interface Page {
  /** Path and query, after redirects. */
  readonly path: string;
  readonly status: number;
  readonly html: string;
}

interface Form {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Somebody at a browser who opens pages, fills in the forms that are on them, and follows redirects. */
export class Visitor {
  readonly client: HttpClient;
  readonly #userAgent: string;
  #page: Page = { path: "/", status: 0, html: "" };

  constructor(base: string, userAgent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/149.0") {
    this.client = new HttpClient(base);
    this.#userAgent = userAgent;
  }

  get page(): Page {
    return this.#page;
  }

  open(path: string): Promise<Page> {
    return this.#go(path, {});
  }

  /** Sends the form of this address that is on the page, the first that `having` holds for. */
  submit(
    action: string,
    typed: Readonly<Record<string, string>> = {},
    having: (form: Form) => boolean = () => true,
  ): Promise<Page> {
    const form = this.forms.find((one) => one.action === action && having(one));
    if (form === undefined) throw new Error(`${this.#page.path} has no form for ${action}`);
    for (const name of Object.keys(typed)) {
      if (!(name in form.fields)) throw new Error(`The form for ${action} has no field ${name}`);
    }
    const filled = Object.entries({ ...form.fields, ...typed }).filter(([, value]) => value !== UNTICKED);
    return this.#go(action, { method: "POST", body: new URLSearchParams(Object.fromEntries(filled)) });
  }

  /** Those of the page, with what is filled in already. */
  get forms(): Form[] {
    return Array.from(
      this.#page.html.matchAll(/<form([^>]*)>(.*?)<\/form>/gs),
      ([, head = "", body = ""]) => ({
        action: attributeOf(head, "action") ?? "",
        fields: Object.fromEntries(
          Array.from(body.matchAll(/<input([^>]*)>/g), ([, input = ""]) => [
            attributeOf(input, "name") ?? "",
            attributeOf(input, "value") ?? (attributeOf(input, "type") === "checkbox" ? UNTICKED : ""),
          ]),
        ),
      }),
    );
  }

  /** The text of the element with this id. */
  text(id: string): string {
    const found = new RegExp(`<(\\w+) id="${id}">(.*?)</\\1>`, "s").exec(this.#page.html)?.[2];
    if (found === undefined) throw new Error(`${this.#page.path} has no ${id}`);
    return unescaped(found.replace(/<[^>]*>/g, " ").trim());
  }

  restart(): void {
    this.client.restart();
  }

  async #go(path: string, init: RequestInit): Promise<Page> {
    const { base } = this.client;
    const headers = {
      accept: "text/html",
      "user-agent": this.#userAgent,
      "sec-fetch-site": "same-origin",
      referer: base + this.#page.path,
      ...(init.method === undefined ? {} : { origin: base }),
    };
    const answer = await this.client.request(path, { ...init, headers });
    const location = answer.headers.get("location");
    if (answer.status === 303 && location !== null) return this.#go(location, {});
    this.#page = { path, status: answer.status, html: answer.text };
    return this.#page;
  }
}

const UNTICKED = "\0";
