export { english } from "./english.ts";
export { german } from "./german.ts";
export type { PluralForms, TextOptions, Texts } from "./table.ts";
