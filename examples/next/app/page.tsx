import Link from "next/link";
import { getSession } from "../lib/sessions";
import { addToCart } from "./actions";

export default async function Home() {
  const session = await getSession();
  return (
    <main>
      <h1>Shop</h1>
      <p id="level">{session.level}</p>
      <p id="cart">{session.data.cart?.join(", ") ?? "Your cart is empty."}</p>
      <form action={addToCart}>
        <input name="item" defaultValue="tea" aria-label="Item" /> <button type="submit">Add to cart</button>
      </form>
      <nav>
        <Link href="/login">Sign in</Link> <Link href="/account">Account</Link>
      </nav>
    </main>
  );
}
