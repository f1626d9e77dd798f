import { inPerson, members } from "../../lib/sessions";
import { confirm } from "../actions";

type Props = { searchParams: Promise<{ next?: string; wrong?: string }> };

export default async function Confirm({ searchParams }: Props) {
  await members();
  await inPerson();
  const { next, wrong } = await searchParams;
  return (
    <main>
      <h1>Confirm your password</h1>
      {wrong !== undefined && <p role="alert">That is not right.</p>}
      <form action={confirm}>
        <input type="hidden" name="next" value={next ?? ""} />
        <input name="password" type="password" aria-label="Password" /> <button type="submit">Confirm</button>
      </form>
    </main>
  );
}
