"use server";

import { redirect } from "next/navigation";
import { action, guards } from "../../../lib/sessions";

const proved = guards.requireKeyProof({ within: "1m", redirectTo: "/login" });

export const transfer = action(async (session, form: FormData) => {
  await proved();
  session.flash.set("notice", `Sent ${form.get("sum")}.`);
  redirect("/probe/act");
});
