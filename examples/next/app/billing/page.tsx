import { fresh, members } from "../../lib/sessions";

export default async function Billing() {
  // Visitors who are not signed in come back here from the sign-in, which is fresh enough.
  await members();
  await fresh();
  return (
    <main>
      <h1>Your cards</h1>
    </main>
  );
}
