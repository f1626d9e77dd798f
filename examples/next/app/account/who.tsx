"use client";

import { useSession } from "psession/react";

// Next adds a basePath to links and pages, and not to what scripts ask for.
const SESSION = `${process.env.NEXT_PUBLIC_BASE_PATH ?? ""}/account/devices/session`;

/** Who is signed in, and until when, for as long as the page is open. To ask is no use of the session; the button is one. */
export function Who() {
  const { status, profile, endsAt, canExtend, extend } = useSession<{ name: string }>(SESSION);
  if (status === "loading") return null;
  if (status === "signedOut" || endsAt === undefined) return <p id="who">You are signed out.</p>;
  const end = new Date(endsAt);
  return (
    <p id="who">
      {profile?.name} is signed in until <time dateTime={end.toISOString()}>{end.toLocaleTimeString()}</time>{" "}
      {canExtend && (
        <button type="button" onClick={extend}>
          Stay signed in
        </button>
      )}
    </p>
  );
}
