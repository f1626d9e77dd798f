/** Pages whose code belongs to files: "**`name`**" stands before each block, and what follows it may continue the file. */
const NAMED = /^\*\*`([^`]+)`\*\*[^\n]*\n\n```\w+\n([\s\S]*?)^```$/gm;

/** Name and text of the files of a page or of a section, in order; one that is continued comes once. */
export function filesOf(text: string): [name: string, text: string][] {
  const files = new Map<string, string[]>();
  for (const [, name = "", code = ""] of text.matchAll(NAMED))
    files.set(name, [...(files.get(name) ?? []), code]);
  return Array.from(files, ([name, parts]) => [name, parts.join("\n")]);
}

/** Sections by their title, of the second level. */
export function sectionsOf(page: string): Map<string, string> {
  const [, ...sections] = page.split(/^## /m);
  return new Map(
    sections.map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(0, end), section.slice(end)];
    }),
  );
}

/** The lines that a reader is to type. */
export function shellOf(text: string): string[] {
  return Array.from(text.matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, lines = ""]) =>
    lines.trim().split("\n"),
  ).flat();
}
