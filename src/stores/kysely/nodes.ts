import type { AliasedExpression, KyselyPlugin, SelectQueryNode } from "kysely";

/**
 * What Kysely's `sql` tag makes, without asking for Kysely: text with `?` for its values. Plugins leave the text
 * as it is, so that names are those of the database.
 */
export function rawColumn(
  sql: string,
  values: readonly unknown[],
  alias: string,
): AliasedExpression<string | null, string> {
  const node = {
    kind: "RawNode",
    sqlFragments: sql.split("?"),
    parameters: values.map((value) => ({ kind: "ValueNode", value }) as const),
  } as const;
  return {
    alias,
    expression: { expressionType: undefined, toOperationNode: () => node },
    toOperationNode: () => ({ kind: "AliasNode", node, alias: { kind: "IdentifierNode", name: alias } }),
  };
}

type Row = Record<string, unknown>;

/** A plugin that leaves queries alone and changes rows. */
export const mappingRows = (map: (row: Row) => Row): KyselyPlugin => ({
  transformQuery: ({ node }) => node,
  transformResult: async ({ result }) => ({ ...result, rows: result.rows.map(map) }),
});

/** What a query calls a table of the database: its alias, or its name; undefined where the table is not in it. */
export function nameInQuery({ from, joins }: SelectQueryNode, table: string): string | undefined {
  const sources = [...(from?.froms ?? []), ...(joins ?? []).map((join) => join.table)];
  for (const source of sources as readonly Source[]) {
    const name = (source.node ?? source).table?.identifier?.name;
    if (name === table) return source.alias?.name ?? name;
  }
  return undefined;
}

/** A table node, or an alias node with one inside. */
interface Source {
  readonly kind: string;
  readonly node?: Source;
  readonly alias?: { readonly name?: string };
  readonly table?: { readonly identifier?: { readonly name: string } };
}
