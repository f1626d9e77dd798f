import * as v from "valibot";
import { english } from "./english.ts";

/** The texts for a number, one for each plural form of the language (`Intl.PluralRules`). */
export interface PluralForms {
  readonly zero?: string;
  readonly one?: string;
  readonly two?: string;
  readonly few?: string;
  readonly many?: string;
  readonly other: string;
}

type Translated<T> = T extends string
  ? string
  : T extends PluralForms
    ? PluralForms
    : {
        readonly [K in keyof T]: K extends "factors" | "methods"
          ? Readonly<Record<string, string>>
          : Translated<T[K]>;
      };

/** A table of texts in any language: `english`, or a translation of it. */
export type Texts = Translated<typeof english>;

/** Sections that an application adds to: its own names of factors and methods. */
const OPEN: ReadonlySet<string> = new Set(["factors", "methods"]);
const CATEGORIES: ReadonlySet<string> = new Set(["zero", "one", "two", "few", "many", "other"]);
const PLACEHOLDER = /\{(\w+)\}/g;

type Table = Readonly<Record<string, unknown>>;
type Fault = readonly [path: readonly string[], message: string];

/** The text with everything in braces filled in, once: what a value holds in braces stays as it is. */
export const filled = (text: string, values: Readonly<Record<string, string>> = {}): string =>
  text.replace(PLACEHOLDER, (whole, name: string) => values[name] ?? whole);

/** The text for that number. `locale` is the language of the texts. */
export function counted(forms: PluralForms, count: number, { locale }: Pick<Texts, "locale">): string {
  const form = forms[new Intl.PluralRules(locale).select(count)] ?? forms.other;
  return filled(form, { count: new Intl.NumberFormat(locale).format(count) });
}

/** The application's own word, by its entry in the table; otherwise as it is. */
export const worded = (words: Readonly<Record<string, string>>, word: string): string =>
  Object.hasOwn(words, word) ? (words[word] as string) : word;

export const isLocale = (value: unknown): value is string => {
  if (typeof value !== "string") return false;
  try {
    return Intl.DateTimeFormat.supportedLocalesOf([value]).length > 0;
  } catch {
    return false;
  }
};

export function isTimeZone(value: unknown): value is string {
  if (typeof value !== "string") return false;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: value });
    return true;
  } catch {
    return false;
  }
}

/** In which words, and with which dates, something is written for a user. */
export interface TextOptions {
  /** The texts. Default: `english`. */
  texts?: Texts | undefined;
  /** How dates are written, such as "en-US". Default: the `locale` of the texts. */
  locale?: string | undefined;
  /** The time zone of the times shown, such as "Europe/Lisbon". Default: "UTC". */
  timeZone?: string | undefined;
}

/**
 * Those options, for the schemas of what takes them. Every fault of a table is named.
 *
 * @internal
 */
export const textEntries = {
  texts: v.optional(
    v.pipe(
      v.custom<Texts>(isTable, "must be a table of texts, such as english of psession/texts"),
      v.rawCheck(({ dataset, addIssue }) => {
        if (!dataset.typed) return;
        for (const [path, message] of faultsOf(dataset.value, english, dataset.value.locale)) {
          const [first, ...rest] = path.map((key) => ({
            type: "object" as const,
            origin: "value" as const,
            input: {},
            key,
            value: undefined,
          }));
          if (first !== undefined) addIssue({ message, path: [first, ...rest] });
        }
      }),
    ),
    english,
  ),
  locale: v.optional(v.custom<string>(isLocale, 'must be a locale that this Node knows, such as "en-GB"')),
  timeZone: v.optional(
    v.custom<string>(isTimeZone, 'must be a time zone, such as "UTC" or "Europe/Lisbon"'),
    "UTC",
  ),
};

/** What a translation lacks or has too much, by the English table. */
function faultsOf(given: Table, model: Table, locale: unknown, at: readonly string[] = []): Fault[] {
  const own = Object.keys(given);
  const faults: Fault[] = own
    .filter((key) => !Object.hasOwn(model, key))
    .map((key) => [[...at, key], "is no text of psession's"]);
  for (const [key, wanted] of Object.entries(model)) {
    const path = [...at, key];
    const value = Object.hasOwn(given, key) ? given[key] : undefined;
    if (path.length === 1 && key === "locale") {
      if (!isLocale(value)) faults.push([path, 'must be a locale that this Node knows, such as "en-GB"']);
    } else if (OPEN.has(key) && at.length === 0) {
      faults.push(
        ...(isTable(value) ? wordFaults(value, path) : [[path, "must be an object of texts"] as const]),
      );
    } else if (typeof wanted === "string") {
      const fault = textFault(value, placeholdersIn(wanted));
      if (fault !== undefined) faults.push([path, fault]);
    } else if (!isTable(value))
      faults.push([path, value === undefined ? "is missing" : "must be an object of texts"]);
    else if (isPlural(wanted as Table)) faults.push(...pluralFaults(value, wanted as Table, locale, path));
    else faults.push(...faultsOf(value, wanted as Table, locale, path));
  }
  return faults;
}

const wordFaults = (words: Table, path: readonly string[]): Fault[] =>
  Object.entries(words).flatMap(([word, text]): Fault[] => {
    const fault = textFault(text, []);
    return fault === undefined ? [] : [[[...path, word], fault]];
  });

function pluralFaults(given: Table, model: Table, locale: unknown, path: readonly string[]): Fault[] {
  const placeholders = placeholdersIn(String(model["other"]));
  const needed = isLocale(locale)
    ? new Intl.PluralRules(locale).resolvedOptions().pluralCategories
    : ["other"];
  const missing = needed.filter((form) => !Object.hasOwn(given, form));
  return [
    ...missing.map((form): Fault => [[...path, form], "is missing: the language has that plural form"]),
    ...Object.entries(given).flatMap(([form, text]): Fault[] => {
      if (!CATEGORIES.has(form)) return [[[...path, form], `must be one of ${[...CATEGORIES].join(", ")}`]];
      // "One device" needs no number.
      const fault = textFault(text, placeholders, form === "other" ? [] : ["count"]);
      return fault === undefined ? [] : [[[...path, form], fault]];
    }),
  ];
}

function textFault(
  text: unknown,
  wanted: readonly string[],
  spared: readonly string[] = [],
): string | undefined {
  if (text === undefined) return "is missing";
  if (typeof text !== "string" || text.trim() === "") return "must be text";
  // A subject with a line break would be two headers of a mail.
  if (!text.isWellFormed() || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)) return "must be one line";
  const found = placeholdersIn(text);
  const missing = wanted.filter((name) => !found.includes(name) && !spared.includes(name));
  const unknown = found.filter((name) => !wanted.includes(name));
  const parts = [
    ...missing.map((name) => `lacks {${name}}`),
    ...unknown.map((name) => `has {${name}}, which is not filled in there`),
  ];
  return parts.length === 0 ? undefined : parts.join(", and ");
}

const placeholdersIn = (text: string): string[] => [
  ...new Set(Array.from(text.matchAll(PLACEHOLDER), ([, name = ""]) => name)),
];

const isPlural = (table: Table): boolean => Object.keys(table).every((key) => CATEGORIES.has(key));

function isTable(value: unknown): value is Texts & Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
