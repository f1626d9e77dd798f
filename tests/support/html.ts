const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

/** What escaped text stands for: numbers, and the names that escaping needs. */
export const unescaped = (text: string): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (_all, code: string | undefined, entity: string) =>
    code === undefined ? (ENTITIES[entity] ?? "") : String.fromCharCode(Number(code)),
  );

/** The value of an attribute in a tag; undefined without one. */
export function attributeOf(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? undefined : unescaped(value);
}
