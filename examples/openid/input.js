/** A client may send lists, or nothing, as fields of a form. */
export const textOf = (value) => (typeof value === "string" ? value : "");

/** A path of this site. Browsers read "//evil.example" and "/\evil.example" as another one. */
export const ownPath = (path) => (/^\/(?![/\\])[!-~]*$/.test(textOf(path)) ? path : "/");

/** A posted form as a query. A field that came twice stays so, and is refused. */
export const paramsOf = (body) =>
  new URLSearchParams(
    Object.entries(body ?? {}).flatMap(([name, value]) => [value].flat().map((one) => [name, one])),
  );
