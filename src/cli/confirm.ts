import { confirm, isCancel } from "@clack/prompts";
import type { Environment } from "./environment.ts";
import { EXIT, Stop } from "./exit.ts";

export const isInteractive = ({ stdin, stderr }: Environment): boolean =>
  stdin.isTTY === true && stderr.isTTY === true;

/** Ends the command unless the user agrees, or has done so with `--yes`. */
export async function assertAgreed(
  environment: Environment,
  question: string,
  isAgreed: boolean | undefined,
): Promise<void> {
  if (isAgreed === true) return;
  if (!isInteractive(environment)) {
    throw new Stop(EXIT.usage, `${question} There is no terminal to ask at: say --yes if you mean it.`);
  }
  const { stdin: input, stderr: output } = environment;
  const answer = await confirm({ message: question, initialValue: false, input, output });
  if (isCancel(answer) || !answer) throw new Stop(EXIT.declined, "Nothing was done.");
}
