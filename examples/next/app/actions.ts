"use server";

import { redirect } from "next/navigation";
import { action, fresh, halfway, inPerson, members, placeOf } from "../lib/sessions";
import { isCodeOf, isPasswordOf, userBy, userOf } from "../lib/users";

const text = (form: FormData, name: string) => String(form.get(name) ?? "");

/** A page with a form, which goes on to the same place as this one does. */
const withNext = (page: string, form: FormData, more: Record<string, string> = {}) =>
  `${page}?${new URLSearchParams({ next: text(form, "next"), ...more })}`;

export const signIn = action(async (session, form: FormData) => {
  const user = userBy(text(form, "email"), text(form, "password"));
  if (user === undefined) redirect(withNext("/login", form, { wrong: "1" }));
  const remember = form.get("remember") === "on";
  if (user.code !== undefined) {
    await session.begin(user.id, { method: "password", remember });
    redirect(withNext("/code", form));
  }
  await session.login(user.id, { method: "password", remember });
  session.flash.set("notice", `Welcome, ${user.name}.`);
  redirect(placeOf(form.get("next")));
});

export const enterCode = action(async (session, form: FormData) => {
  await halfway();
  if (!isCodeOf(session.pending?.userId, text(form, "code")))
    redirect(withNext("/code", form, { wrong: "1" }));
  await session.complete({ method: "otp" });
  redirect(placeOf(form.get("next")));
});

export const confirm = action(async (session, form: FormData) => {
  await members();
  await inPerson();
  if (!isPasswordOf(session.userId, text(form, "password")))
    redirect(withNext("/confirm", form, { wrong: "1" }));
  await session.reauthenticate({ method: "password" });
  redirect(placeOf(form.get("next")));
});

export const addToCart = action(async (session, form: FormData) => {
  session.push("cart", text(form, "item"));
});

export const signOut = action(async (session) => {
  await session.logout();
  redirect("/");
});

export const endDevice = action(async (session, form: FormData) => {
  await fresh();
  await session.revoke(text(form, "handle"));
  redirect("/devices");
});

export const actAs = action(async (session, form: FormData) => {
  await fresh();
  if (userOf(session.userId)?.isSupport !== true) redirect("/account");
  await session.impersonate(1, { reason: text(form, "reason") });
  redirect("/account");
});

export const stopActing = action(async (session) => {
  await session.stopImpersonating();
  redirect("/support");
});
