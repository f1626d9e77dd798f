/** Answers a request with a sentence for the visitor instead of the page. */
export class Refusal extends Error {
  readonly status: number;
  /** For scripts; stays the same when the sentence changes. */
  readonly code: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, code: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
