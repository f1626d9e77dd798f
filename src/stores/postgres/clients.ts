/** The shapes that are used of what an application has open to PostgreSQL. */

interface PgResult {
  readonly rows: unknown[];
  readonly rowCount?: number | null | undefined;
}

interface PgQuery {
  name?: string;
  text: string;
  values: unknown[];
  types?: PgTypes;
}

/** How values are read that came as text or, where the client asks for them so, as bytes. */
export interface PgTypes {
  getTypeParser(oid: number, format?: string): (value: never) => unknown;
}

/** A message to connections that listen. */
export interface PgNotification {
  readonly channel: string;
  readonly payload?: string | undefined;
}

/** A `Client` of node-postgres. Give psession one of its own, or other transactions would get mixed up with its. */
export interface PgClient {
  query(query: PgQuery): Promise<PgResult>;
  on?(event: "notification", listener: (message: PgNotification) => void): unknown;
  on?(event: "error" | "end", listener: (error?: Error) => void): unknown;
  off?(event: "notification", listener: (message: PgNotification) => void): unknown;
  off?(event: "error" | "end", listener: (error?: Error) => void): unknown;
}

/** A client that psession connects by itself, with the options of a pool, to listen on it. */
export interface PgOwnClient extends PgClient {
  connect(): Promise<unknown>;
  end(): Promise<unknown>;
  unref?(): void;
}

interface TellsErrors {
  on?(event: "error", listener: (error: Error) => void): unknown;
  off?(event: "error", listener: (error: Error) => void): unknown;
}

/** A client that a pool lends. */
export interface PgPoolClient extends Pick<PgClient, "query">, TellsErrors {
  release(destroy?: boolean): void;
}

/** A `Pool` of node-postgres, or an object with the same methods. */
export interface PgPool extends TellsErrors {
  connect(): Promise<PgPoolClient>;
  /** The class of its clients and what they are made with, where it says so. */
  readonly Client?: (new (options: never) => PgOwnClient) | undefined;
  readonly options?: object | undefined;
}

/** The session on the server that a connection has now. */
export interface PostgresJsServerSession {
  readonly pid: number | null;
}

export interface PostgresJsRows extends ReadonlyArray<unknown> {
  readonly count: number | null;
  readonly command?: string | null | undefined;
}

export interface PostgresJsQuery extends PromiseLike<PostgresJsRows> {
  /** Null until it is sent. */
  readonly state?: PostgresJsServerSession | null | undefined;
  cancel?(): void;
}

interface PostgresJsConnection {
  unsafe(text: string, values: never[], options: { prepare: boolean }): PostgresJsQuery;
}

/** postgres.js: what `postgres(url)` gives. */
export interface PostgresJs extends PostgresJsConnection {
  readonly options?: {
    readonly target_session_attrs?: string | null | undefined;
    readonly transform?: { readonly column?: { readonly from?: ((column: string) => string) | undefined } };
  };
  begin(options: string, work: (connection: PostgresJsConnection) => Promise<unknown>): Promise<unknown>;
  listen?(
    channel: string,
    onMessage: (payload: string) => void,
    onListen: () => void,
  ): Promise<{ unlisten(): Promise<unknown> }>;
}

interface PgliteConnection {
  query(
    text: string,
    values?: never[],
    options?: { rowMode?: "object"; parsers?: Readonly<Record<number, (value: string) => unknown>> },
  ): Promise<{ rows: unknown[]; affectedRows?: number }>;
}

/** PGlite: PostgreSQL in this process. */
export interface Pglite extends PgliteConnection {
  transaction(work: (connection: PgliteConnection) => Promise<unknown>): Promise<unknown>;
}
