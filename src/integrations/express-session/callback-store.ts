// biome-ignore lint/suspicious/noExplicitAny: stores type their errors as they like.
export type Any = any;
export type Callback = (error?: Any) => void;

/** The methods that an application's own store must have. */
export interface CallbackStore {
  // biome-ignore lint/suspicious/noExplicitAny: stores type what they hold as they like.
  get(id: string, callback: (error: any, session?: any) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  set(id: string, session: any, callback?: Callback): void;
  destroy(id: string, callback?: Callback): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  touch?(id: string, session: any, callback?: any): void;
  // biome-ignore lint/suspicious/noExplicitAny: an event emitter's, if the store is one.
  on?(event: any, listener: any): unknown;
}
