import { getSession } from "../../../lib/sessions";

export default async function Act() {
  const session = await getSession();
  const notice = await session.flash.get("notice");
  return <p>{typeof notice === "string" ? notice : "Nothing."}</p>;
}
