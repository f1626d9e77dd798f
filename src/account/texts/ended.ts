import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { isEndedCode } from "../../protocol/ended.ts";
import { type TextOptions, textEntries } from "./table.ts";

/** In which language `endedText` answers. */
export type EndedTextOptions = Pick<TextOptions, "texts">;

const schema = v.strictObject({ texts: textEntries.texts });

/**
 * The sentence for a visitor who was signed out, by the code of `session.endedBecause`. Undefined for anything that is no
 * such code, so that it may come from an address.
 */
export function endedText(code: unknown, options: EndedTextOptions = {}): string | undefined {
  const { texts } = checkedOptions("endedText", schema, options);
  return isEndedCode(code) ? texts.ended[code] : undefined;
}
