import type { KyselyPlugin, SelectionNode, SelectQueryNode } from "kysely";

/**
 * What Kysely's `sql` tag makes, without asking for Kysely: text with `?` for its values. Plugins leave the text
 * as it is, so that names are those of the database.
 */
export function rawColumn(sql: string, values: readonly unknown[], alias: string): SelectionNode {
  const node = {
    kind: "RawNode",
    sqlFragments: sql.split("?"),
    parameters: values.map((value) => ({ kind: "ValueNode", value }) as const),
  } as const;
  const selection = { kind: "AliasNode", node, alias: { kind: "IdentifierNode", name: alias } } as const;
  return { kind: "SelectionNode", selection };
}

type Row = Record<string, unknown>;

/** A plugin that adds columns to a query, and makes of its rows what they are to be. */
export const addingColumns = (columns: readonly SelectionNode[], map: (row: Row) => Row): KyselyPlugin => ({
  transformQuery: ({ node }) =>
    // At the end: MySQL takes a bare `*` as the first column only.
    node.kind === "SelectQueryNode"
      ? { ...node, selections: [...(node.selections ?? []), ...columns] }
      : node,
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
