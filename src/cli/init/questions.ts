import { confirm, isCancel, select } from "@clack/prompts";
import { isInteractive } from "../confirm.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";

/** With `--yes` the first answer is taken. */
interface Asked {
  readonly yes?: true;
}

export async function chosen<Value extends string>(
  environment: Environment,
  { yes }: Asked,
  flag: string,
  message: string,
  fallback: Value,
  options: readonly { readonly value: string; readonly label: string; readonly hint?: string }[],
): Promise<Value> {
  if (yes === true) return fallback;
  assertTerminal(environment, flag, message);
  const { stdin: input, stderr: output } = environment;
  const answer = await select<string>({
    message,
    initialValue: fallback as string,
    options: [...options],
    input,
    output,
  });
  if (isCancel(answer)) throw declined();
  return answer as Value;
}

export async function agreed(
  environment: Environment,
  { yes }: Asked,
  flag: string,
  message: string,
  initialValue: boolean,
): Promise<boolean> {
  if (yes === true) return initialValue;
  assertTerminal(environment, flag, message);
  const { stdin: input, stderr: output } = environment;
  const answer = await confirm({ message, initialValue, input, output });
  if (isCancel(answer)) throw declined();
  return answer;
}

function assertTerminal(environment: Environment, flag: string, message: string): void {
  if (isInteractive(environment)) return;
  throw new Stop(EXIT.usage, `${message} There is no terminal to ask at: say ${flag}, or --yes.`);
}

const declined = () => new Stop(EXIT.declined, "Nothing was written.");
