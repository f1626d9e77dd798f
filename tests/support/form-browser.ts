import { Agent, request } from "node:https";
import type { Clock } from "../../src/index.ts";
import { TestBrowser } from "../../src/testing/browser.ts";
import { attributeOf } from "./html.ts";

export interface SiteOf {
  /** Such as https://shop.example: what the browser believes it speaks to. */
  readonly origin: string;
  /** Of loopback, where that site really is. */
  readonly port: number;
  readonly certificate: string;
  readonly clock: Clock;
}

export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Where a redirect leads. */
  readonly location: string | undefined;
}

export type Fields = Readonly<Record<string, string | boolean>>;

/** A browser for people who fill in forms, over https: it keeps cookies, follows links, and sends what browsers send. */
export class FormBrowser extends TestBrowser {
  readonly #site: SiteOf;
  readonly #agent: Agent;
  readonly #userAgent: string;
  /** The page that is shown. */
  #shown: Page | undefined;
  #path = "/";

  constructor(site: SiteOf, { address = "127.0.0.1", userAgent = FIREFOX } = {}) {
    super(site.clock);
    this.#site = site;
    this.#userAgent = userAgent;
    const servername = new URL(site.origin).hostname;
    this.#agent = new Agent({ ca: site.certificate, servername, localAddress: address });
  }

  get path(): string {
    return this.#path;
  }

  /** Asks for a page, and follows where it is sent. */
  async open(path: string): Promise<Page> {
    return this.#follow(await this.send(path), path);
  }

  /** Fills in the form of the page that has this action, and sends it. A tick is `true`. */
  async submit(action: string, fields: Fields = {}): Promise<Page> {
    const body = new URLSearchParams(this.#fill(action, fields)).toString();
    return this.#follow(await this.send(action, { body }), action);
  }

  /** One request, with its redirect not followed. */
  async send(
    path: string,
    { body, headers = {} }: { body?: string; headers?: Record<string, string> } = {},
  ): Promise<Page> {
    const { answer, finish } = this.start(path, { method: body === undefined ? "GET" : "POST", headers });
    finish(body);
    return answer;
  }

  /** A request whose body is still to come. With `expect: "100-continue"`, its head has arrived when it is `awaited`. */
  start(
    path: string,
    { method = "POST", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
  ) {
    const { origin, port } = this.#site;
    const { cookie } = this;
    const { referer, origin: named } = this.#sender();
    const isForm = method === "POST";
    const call = request({
      host: "127.0.0.1",
      port,
      agent: this.#agent,
      method,
      path,
      headers: {
        host: new URL(origin).host,
        accept: "text/html",
        "user-agent": this.#userAgent,
        "sec-fetch-site": "same-origin",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
        ...(referer === undefined ? {} : { referer }),
        ...(isForm ? { origin: named, "content-type": "application/x-www-form-urlencoded" } : {}),
        ...(cookie === "" ? {} : { cookie }),
        ...headers,
      },
    });
    if (isForm) call.flushHeaders();
    const awaited = new Promise<void>((resolve) => call.once("continue", resolve));
    const answer = new Promise<Page>((resolve, reject) => {
      call.on("error", reject).on("response", async (response) => {
        try {
          let text = "";
          for await (const chunk of response.setEncoding("utf8")) text += chunk;
          const { statusCode: status = 0, headers } = this.receive(response);
          resolve({ status, headers, text, location: headers.location });
        } catch (error) {
          reject(error);
        }
      });
    });
    return { answer, awaited, finish: (body?: string) => void call.end(body) };
  }

  /** What the page that is shown lets a request say of it (Referrer Policy; Fetch, "append a request Origin header"). */
  #sender(): { readonly referer: string | undefined; readonly origin: string } {
    const { origin } = this.#site;
    const policy = this.#shown?.headers["referrer-policy"];
    if (policy === "no-referrer") return { referer: undefined, origin: "null" };
    return { referer: origin + (policy === "strict-origin" ? "/" : this.#path), origin };
  }

  async #follow(page: Page, path: string): Promise<Page> {
    let [at, shown] = [path, page];
    for (let hops = 0; shown.location !== undefined; hops++) {
      if (hops > 5) throw new Error(`${path} redirects for ever.`);
      at = shown.location;
      shown = await this.send(at);
    }
    this.#path = at;
    this.#shown = shown;
    return shown;
  }

  /** What the form has in it, and what a person adds. */
  #fill(action: string, fields: Fields): Record<string, string> {
    const forms =
      this.#shown?.text.matchAll(/<form method="post" action="([^"]+)">([\s\S]*?)<\/form>/g) ?? [];
    const form = Array.from(forms).find(([, to]) => to === action)?.[2];
    if (form === undefined) throw new Error(`${this.#path} has no form for ${action}.`);
    const filled: Record<string, string> = {};
    const missing = new Set(Object.keys(fields));
    for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
      const name = attributeOf(tag, "name") ?? "";
      const isTick = attributeOf(tag, "type") === "checkbox";
      missing.delete(name);
      const given = fields[name];
      const value = given ?? attributeOf(tag, "value");
      if (isTick ? given === true : typeof value === "string") filled[name] = isTick ? "on" : String(value);
    }
    if (missing.size > 0) throw new Error(`The form for ${action} has no ${[...missing].join(", ")}.`);
    return filled;
  }
}

export const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
