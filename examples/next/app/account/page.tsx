import Link from "next/link";
import { members } from "../../lib/sessions";
import { userOf } from "../../lib/users";
import { signOut, stopActing } from "../actions";
import { Who } from "./who";

export default async function Account() {
  const session = await members();
  const notice = await session.flash.get("notice");
  return (
    <main>
      <h1>Account of {userOf(session.userId)?.name}</h1>
      {typeof notice === "string" && <p role="status">{notice}</p>}
      <p id="level">{session.level}</p>
      {session.actor !== undefined && (
        <form action={stopActing}>
          <p>Support is acting as this user.</p>
          <button type="submit">Stop</button>
        </form>
      )}
      <nav>
        <Link href="/billing">Billing</Link> <Link href="/devices">Devices</Link>
      </nav>
      <form action={signOut}>
        <button type="submit">Sign out</button>
      </form>
      {/* At the end: it comes when the page has asked, and must not move what somebody is about to click. */}
      <Who />
    </main>
  );
}
