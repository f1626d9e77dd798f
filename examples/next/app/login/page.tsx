import { signIn } from "../actions";

type Props = { searchParams: Promise<{ next?: string; wrong?: string }> };

export default async function Login({ searchParams }: Props) {
  const { next, wrong } = await searchParams;
  return (
    <main>
      <h1>Sign in</h1>
      {wrong !== undefined && <p role="alert">That is not right.</p>}
      <form action={signIn}>
        <input type="hidden" name="next" value={next ?? ""} />
        <input name="email" type="email" defaultValue="ada@example.com" aria-label="Email" />{" "}
        <input name="password" type="password" aria-label="Password" />{" "}
        <label>
          <input name="remember" type="checkbox" /> Remember me
        </label>{" "}
        <button type="submit">Sign in</button>
      </form>
    </main>
  );
}
