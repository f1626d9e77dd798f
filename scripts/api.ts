/**
 * The API reference, from the docstrings: writes it into .tmp/api, a page for each name that an entry exports. Fails
 * where an export has no docstring, a {@link} leads nowhere, or a signature mentions a type that nothing exports.
 *
 * With "check" nothing is written. TypeDoc needs a TypeScript that can be called, which ours no longer can: both are in
 * the workspace tests/loaders.
 */
import { resolve } from "node:path";
import type * as TypeDoc from "../tests/loaders/node_modules/typedoc/dist/types/index.d.ts";
import { readEntries } from "./entries.ts";
import { NOT_EXPORTED } from "./not-exported.ts";

const ROOT = resolve(import.meta.dirname, "..");
const OUT = ".tmp/api";

const [how] = process.argv.slice(2);
process.chdir(ROOT);
const { Application, ReflectionKind }: typeof TypeDoc = await import(
  resolve(ROOT, "tests/loaders/node_modules/typedoc/dist/index.js")
);

const entries = readEntries(ROOT);
const app = await Application.bootstrap({
  name: "psession",
  entryPoints: entries.map(({ source }) => source),
  tsconfig: "tsconfig.build.json",
  readme: "none",
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableGit: true,
  sourceLinkTemplate: "../../{path}#L{line}",
  sort: ["source-order"],
  sortEntryPoints: false,
  navigation: { includeFolders: false },
  validation: { notExported: true, invalidLink: true },
  intentionallyNotExported: [...NOT_EXPORTED],
});
const project = await convert();
app.validate(project);
for (const name of undocumented(project)) app.logger.warn(`${name} has no docstring`);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
if (how !== "check") await app.generateDocs(project, OUT);
console.log(`${exportsOf(project).length} exports of ${entries.length} entries have a docstring.`);
if (how !== "check") console.log(`${OUT}/index.html is their reference.`);

/** Each entry under the name that it is imported by. */
async function convert(): Promise<TypeDoc.ProjectReflection> {
  const points = app.getEntryPoints();
  if (points === undefined) process.exit(1);
  const named = points.map((point) => {
    const file = point.sourceFile.fileName;
    const entry = entries.find(({ source }) => resolve(ROOT, source) === file);
    return { ...point, displayName: entry?.specifier ?? file };
  });
  return app.converter.convert(named);
}

/** What can be imported, also by way of a namespace; where several entries export the same, once. */
function exportsOf(
  of: TypeDoc.ProjectReflection | TypeDoc.DeclarationReflection,
): TypeDoc.DeclarationReflection[] {
  return (of.children ?? []).flatMap((child) =>
    child.kindOf(ReflectionKind.SomeModule)
      ? exportsOf(child)
      : child.kindOf(ReflectionKind.Reference)
        ? []
        : [child],
  );
}

function undocumented(of: TypeDoc.ProjectReflection): string[] {
  return exportsOf(of)
    .filter((one) => !one.hasComment() && !one.signatures?.some((signature) => signature.hasComment()))
    .map((one) => one.getFriendlyFullName());
}
