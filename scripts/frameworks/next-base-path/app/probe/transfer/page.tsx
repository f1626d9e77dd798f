import { guards } from "../../../lib/sessions";
import { transfer } from "./actions";

const proved = guards.requireKeyProof({ within: "1m", redirectTo: "/login" });

export default async function Transfer() {
  const session = await proved();
  return (
    <main>
      <h1>Transfer</h1>
      <p id="level">{session.level}</p>
      <p id="proved">{session.keyProvedAt}</p>
      <form action={transfer}>
        <input name="sum" defaultValue="7" aria-label="Sum" /> <button type="submit">Send</button>
      </form>
    </main>
  );
}
