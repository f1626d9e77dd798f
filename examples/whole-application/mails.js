import { credentialChangedNotice, newDeviceNotice, theftNotice } from "psession/notices";

const SITE = "Acme Shop";

/** The same work for every address, with another text: only the owner of the mailbox reads which of the two it is. */
export function linkMail(link, user) {
  const lines =
    user === undefined
      ? [`Somebody, probably you, wants an account at ${SITE}. Choose your password here:`]
      : [`Somebody, probably you, asked for a new password at ${SITE}. Choose it here:`];
  lines.push("", link, "", "The link works once, within half an hour. If it was not you, ignore this mail.");
  return { subject: `${SITE}: choose your password`, text: `${lines.join("\n")}\n` };
}

/** Mails the notices that users must get. A mail that cannot be sent is a process warning, and fails no request. */
export function mailNews({ psession, users, origin, sendMail }) {
  const options = { site: SITE, link: `${origin}/devices` };
  const mail = (notice) => async (event) => {
    const user = users.byId(event.userId);
    if (user !== undefined) await sendMail({ to: user.email, ...notice(event, options) });
  };
  const isSignUp = ({ userId, at }) => at - users.byId(userId).created_at < 60_000;
  const mailNewDevice = mail(newDeviceNotice);
  psession.on("newDevice", (event) => (isSignUp(event) ? undefined : mailNewDevice(event)));
  psession.on("theft", mail(theftNotice));
  psession.on("credentialChanged", mail(credentialChangedNotice));
}
