import { halfway } from "../../lib/sessions";
import { enterCode } from "../actions";

type Props = { searchParams: Promise<{ next?: string; wrong?: string }> };

export default async function Code({ searchParams }: Props) {
  await halfway();
  const { next, wrong } = await searchParams;
  return (
    <main>
      <h1>Enter the code</h1>
      {wrong !== undefined && <p role="alert">That is not right.</p>}
      <form action={enterCode}>
        <input type="hidden" name="next" value={next ?? ""} />
        <input name="code" inputMode="numeric" autoComplete="one-time-code" aria-label="Code" />{" "}
        <button type="submit">Continue</button>
      </form>
    </main>
  );
}
