import { notFound } from "next/navigation";
import { fresh } from "../../lib/sessions";
import { userOf } from "../../lib/users";
import { actAs } from "../actions";

export default async function Support() {
  const session = await fresh();
  if (userOf(session.userId)?.isSupport !== true) notFound();
  return (
    <main>
      <h1>Support</h1>
      <form action={actAs}>
        <input name="reason" defaultValue="ticket 1" aria-label="Reason" />{" "}
        <button type="submit">Act as Ada</button>
      </form>
    </main>
  );
}
