import type { Dialect } from "./dialect.ts";
import { Statements } from "./statements.ts";

/** A store's statements, with the dialect of its database. */
export class Sql extends Statements {
  declare readonly dialect: Dialect;

  constructor(schema: Statements["schema"], dialect: Dialect) {
    super(schema, dialect);
  }
}
