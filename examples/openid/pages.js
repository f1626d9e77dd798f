const escaped = (text) =>
  String(text ?? "").replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = (title, content) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>${title}</title>
<h1>${title}</h1>
${content}
</html>
`;

const note = (text) => (text ? `<p role="status">${escaped(text)}</p>` : "");
const hidden = (name, value) => `<input type="hidden" name="${name}" value="${escaped(value)}">`;
const form = (action, button, content = "") =>
  `<form method="post" action="${action}">${content} <button>${button}</button></form>`;
const remember = `<label><input name="remember" type="checkbox"> Remember me</label>`;
const password = `<label>Password <input name="password" type="password" required></label>`;

export const homePage = ({ user, level, cart }) =>
  page(
    "Example shop",
    `<ul>${cart.map((item) => `<li>${escaped(item)}</li>`).join("")}</ul>
${form("/cart", "Add to cart", `<input name="item" aria-label="Item" required>`)}
${
  user === undefined
    ? `<p><a href="/login">Sign in</a>`
    : `<p>Signed in as user ${user.id}, ${level}. <a href="/account">Account</a> ${form("/logout", "Sign out")}`
}`,
  );

export const loginPage = ({ next, problem }) =>
  page(
    "Sign in",
    `${note(problem)}
${form("/openid/sign-in", "Sign in with Example ID", hidden("next", next) + remember)}
<p>Or with your password:
${form(
  "/login",
  "Sign in",
  `${hidden("next", next)}<label>Email <input name="email" type="email" required></label> ${password} ${remember}`,
)}`,
  );

export const confirmPage = ({ next, strong, problem, hasPassword, hasProvider }) =>
  page(
    "Please confirm that it is you",
    `${note(problem)}
${hasPassword ? form("/confirm", "Confirm", hidden("next", next) + password) : ""}
${
  hasProvider
    ? form(
        "/openid/confirm",
        strong ? "Confirm with two factors at Example ID" : "Confirm with Example ID",
        hidden("next", next) + (strong ? hidden("strong", "on") : ""),
      )
    : ""
}
${hasPassword || hasProvider ? "" : "<p>Connect your account with Example ID first, or set a password."}`,
  );

export const accountPage = ({ user, isLinked }) =>
  page(
    "Your account",
    `<p>User ${user.id}, ${escaped(user.email ?? "without an email address")}.
<p>${isLinked ? form("/openid/unlink", "Disconnect Example ID") : form("/openid/link", "Connect Example ID")}
<p><a href="/">Back</a>`,
  );

const PROBLEMS = {
  already: "You are signed in already. That answer was used before, or was not asked for here.",
  not_begun: "This sign-in was not begun in this browser, was used already, or took too long.",
  denied: "You have not signed in with Example ID.",
  too_late: "That took too long, or was used already.",
  failed: "We could not use the answer of Example ID.",
  signed_out_there: "You have signed out at Example ID meanwhile.",
  address_taken:
    "There is an account with your email address. Sign in to it with its password, and then connect Example ID on the page of your account.",
  other_account: "You are signed in at Example ID with an account that does not belong to yours here.",
  linked_elsewhere: "That account of Example ID belongs to another account here, or yours has another one.",
  not_asked_again: "Example ID has not asked you to sign in again.",
  one_factor: "Example ID has not checked two factors.",
  only_way_in: "That is your only way to sign in. Set a password first.",
  401: "Your account was changed meanwhile. Please sign in again.",
  404: "There is no such page.",
};

export const problemPage = (problem, attempt = {}) => {
  const again =
    attempt.purpose === "sign-in" ? `/login?next=${encodeURIComponent(attempt.next)}` : "/account";
  const links = { already: "/", not_begun: "/login", 401: "/login" };
  return page(
    "That did not work",
    `<p>${PROBLEMS[problem] ?? "Something went wrong. Please try again."}
<p><a href="${escaped(links[problem] ?? (attempt.purpose === undefined ? "/" : again))}">Go on</a>`,
  );
};
