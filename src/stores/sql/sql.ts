import type { Dialect } from "./dialect.ts";
import { Statements } from "./statements.ts";

/** A store's statements, on a database of which is known what it does differently. */
export class Sql extends Statements {
  declare readonly dialect: Dialect;

  constructor(schema: Statements["schema"], dialect: Dialect) {
    super(schema, dialect);
  }
}
