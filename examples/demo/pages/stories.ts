import { type Html, html } from "../html.ts";
import type { Site } from "../site.ts";

interface Story {
  readonly title: string;
  readonly steps: readonly Html[];
}

const STORIES: readonly Story[] = [
  {
    title: "1. The browser is closed, you stay signed in",
    steps: [
      html`<a href="/register">Register</a> with “Remember me”, and add something to the cart.`,
      html`Back here, <b>Jump 30 minutes ahead</b>, then <b>Visit</b>. The event <code>confirmed</code> says that your browser surely has its cookie.`,
      html`<b>Close browser</b>, then <b>Visit</b>: you are still there (<code>restored</code>), the cart too, at level <em>remembered</em>.`,
      html`<a href="/billing">Billing</a> now asks for your password, as a remember cookie does not prove that it is you.`,
    ],
  },
  {
    title: "2. Ten tabs at once",
    steps: [
      html`Signed in as in story 1: <b>Jump 30 minutes ahead</b> and <b>Visit</b>.`,
      html`<b>Close browser</b>, then <b>Open ten tabs</b>. One tab is <code>restored</code>; the others that came with it get the same cookies (<code>converged</code>).`,
      html`All ten are signed in, by one and the same handle. None is taken for a thief.`,
    ],
  },
  {
    title: "3. A thief is found out",
    steps: [
      html`Signed in as in story 1: <b>Jump 30 minutes ahead</b> and <b>Visit</b>.`,
      html`<b>Copy cookies</b>, then <b>Thief visits</b>: signed in as you. A fresh copy is as good as the original, and nobody can tell them apart yet.`,
      html`<b>Close browser</b> and <b>Visit</b>: your browser gets new cookies (<code>restored</code>), the thief does not.`,
      html`<b>Jump 30 minutes ahead</b> and <b>Visit</b>: the new cookie is <code>confirmed</code>.`,
      html`<b>Thief closes</b>, <b>Thief visits</b>: the old cookie gives it away (<code>theft</code>). Everything of that login is ended.`,
      html`Open the <a href="/">home page</a>: you are signed out too, as nobody knows which of the two was you. It says no more than that your sign-in was ended, as the thief may be reading it; what happened is in <b>Messages</b>. Your password lets you in again, the copy never.`,
    ],
  },
  {
    title: "4. The thief was faster",
    steps: [
      html`Signed in as in story 1: <b>Jump 30 minutes ahead</b> and <b>Visit</b>.`,
      html`<b>Copy cookies</b>, <b>Thief closes</b>, <b>Thief visits</b>: now the thief has the new cookies and you the old ones.`,
      html`<b>Jump 30 minutes ahead</b>, then <b>Thief visits</b> once more.`,
      html`<b>Visit</b>: your old cookie gives the theft away (<code>theft</code>), and <b>Messages</b> has what you get by mail. Here you are only signed out: who comes with an old copy learns nothing.`,
      html`<b>Thief visits</b>: signed out.`,
    ],
  },
  {
    title: "5. Nobody is remembered for ever",
    steps: [
      html`Sign in with “Remember me”, then <b>Jump 1 day ahead</b> and <b>Visit</b>: the session is over, but the remember cookie brings you back.`,
      html`<b>Jump 31 days ahead</b> and <b>Visit</b>: now it is <code>expired</code>, and you sign in again.`,
    ],
  },
  {
    title: "6. Two devices, one cart",
    steps: [
      html`Signed in, put something into the <a href="/">cart</a>. Then open a private window and put something else into its cart.`,
      html`Sign in there: the two carts become one, as the sign-in got both (<code>carry</code>).`,
      html`Under <a href="/devices">Devices</a> both are listed. Give them names, then sign the other one out.`,
    ],
  },
  {
    title: "7. A second factor",
    steps: [
      html`Signed in, <b>Switch codes on</b> under <a href="/account">Account</a>, with an authenticator app. All other devices are signed out.`,
      html`Sign out and in again: after the password (<code>signInBegun</code>) nobody is signed in yet. Enter the code, and tick “Do not ask for a code on this browser”.`,
      html`Sign out and in once more: this browser is trusted, so no code is asked for. A private window is asked.`,
      html`Open <a href="/data">Your data</a>: it needs both factors all the same, within ten minutes.`,
    ],
  },
  {
    title: "8. A forgotten password",
    steps: [
      html`Signed in here and in a private window, ask for a link under <a href="/reset">Forgotten password</a>.`,
      html`Open it from <b>Messages</b> above, and set a new password: you are signed in here, and nowhere else (<code>credentialChanged</code>).`,
      html`Open the link again: it worked once.`,
    ],
  },
  {
    title: "9. Two hours without a click",
    steps: [
      html`Sign in without “Remember me”, and leave the <a href="/" target="_blank" rel="noopener">home page</a> open in another tab.`,
      html`<b>Jump 30 minutes ahead</b> four times, then look at that tab: it says that you are signed out. It had asked for the end of its session all the time, and asking does not put it off.`,
      html`If you wait for an hour and 58 minutes instead, it offers to stay signed in.`,
    ],
  },
  {
    title: "10. Signed out elsewhere, with a page open",
    steps: [
      html`Sign in with “Remember me” here and in a private window. Leave its <a href="/">home page</a> in sight beside this one.`,
      html`Here, under <a href="/devices">Devices</a>, sign it out: that page says so at once. The log has <code>revoked</code>, and <code>pageHeard</code> for the page.`,
      html`<b>Sign in again</b> there: the sign-in page knows why.`,
      html`The same comes of a new password under <a href="/reset">Forgotten password</a>, and of support: register as support@example.com.`,
    ],
  },
];

const WITH_KEYS: readonly Story[] = [
  {
    title: "10. Copied cookies die",
    steps: [
      html`Sign in with “Remember me”. Some seconds later your browser has registered a key (<code>bound</code>), and the lab shows it. <b>Visit</b>: level <em>device-bound</em>.`,
      html`<b>Copy cookies</b>, then <b>Thief visits</b>: signed in as you, as the copy has the short cookie as well.`,
      html`<b>Jump 30 minutes ahead</b>, then <b>Thief visits</b>: signed out, as the short cookie has run out and the thief has no key to get another (<code>boundRefused</code>).`,
      html`<b>Visit</b>: your browser proves its key (<code>boundRefreshed</code>), and you are still there.`,
      html`<b>Copy long ones</b>, as from a backup of your browser, then <b>Thief visits</b>: without the short cookie they open nothing. <b>Thief closes</b>, <b>Thief visits</b>: nor does the remember cookie.`,
      html`<b>Visit</b>: you are signed in all the same. Nobody was accused, and nothing has ended.`,
    ],
  },
];

/** What to click to see psession at work. */
export const storiesOf = ({ scheme }: Site): Html =>
  html`${[...STORIES, ...(scheme === "https" ? WITH_KEYS : [])].map(
    ({ title, steps }, index) => html`<details name="story"${index === 0 && html` open`}>
<summary>${title}</summary>
<ol>${steps.map((step) => html`<li>${step}</li>`)}</ol>
</details>`,
  )}`;
