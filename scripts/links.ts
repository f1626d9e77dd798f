import { dirname, join } from "node:path";

export interface Link {
  readonly text: string;
  /** Without what stands after the "#". */
  readonly target: string;
  readonly anchor: string | undefined;
  readonly isImage: boolean;
}

/** [text](target), also of an image, whose text may hold code. Code itself holds none. */
const LINK = /```[\s\S]*?```|`[^`\n]*`|(!?)\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s]*)\)/g;

const isElsewhere = (target: string): boolean => /^[a-z]+:/i.test(target);

/** Links of a page to files, by what each becomes. */
export function replaceLinks(page: string, become: (link: Link, whole: string) => string): string {
  return page.replaceAll(LINK, (whole, image?: string, text?: string, to?: string) => {
    if (to === undefined || text === undefined || isElsewhere(to)) return whole;
    const [target = "", anchor] = to.split("#");
    return become({ text, target, anchor, isImage: image === "!" }, whole);
  });
}

/** The file that a link of a page leads to, both from the root. */
export const fileOf = (page: string, { target }: Link): string =>
  target === "" ? page : join(dirname(page), target).replace(/\/$/, "");

/** Of its headings, as pages of Markdown have them. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of page.replaceAll(/```[\s\S]*?```/g, "").matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const base = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = base;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${base}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/**
 * A page as it is published. The README is read where no file of the package is, so its links lead to where everything
 * is that npm has, in this very version; the other pages are read where they are installed, and what is not there is
 * named in place of a link.
 */
export function publishedPage(
  page: string,
  text: string,
  { has, base }: { readonly has: (file: string) => boolean; readonly base: string },
): string {
  return replaceLinks(text, (link, whole) => {
    const file = fileOf(page, link);
    const anchor = link.anchor === undefined ? "" : `#${link.anchor}`;
    if (!has(file)) return file.endsWith(link.text) ? `\`${file}\`` : `${link.text} (\`${file}\`)`;
    if (page !== "README.md" || link.target === "") return whole;
    return `${link.isImage ? "!" : ""}[${link.text}](${base}/${file}${anchor})`;
  });
}
