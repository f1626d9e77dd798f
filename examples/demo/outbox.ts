export interface Message {
  readonly to: string;
  readonly at: number;
  readonly text: string;
  readonly link?: string;
}

const MOST_MESSAGES = 5;

/** Stands in for sending mail: prints messages, and keeps the latest for the lab. A real app shows them to nobody. */
export class Outbox {
  #messages: readonly Message[] = [];
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  send(message: Message): void {
    this.#messages = [message, ...this.#messages].slice(0, MOST_MESSAGES);
    const { to, text, link } = message;
    this.#print([`Message to ${to}: ${text}`, link].filter((part) => part !== undefined).join(" "));
  }

  /** The newest first. */
  latest(): readonly Message[] {
    return this.#messages;
  }
}
