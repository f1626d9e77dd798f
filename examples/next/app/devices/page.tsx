import { members } from "../../lib/sessions";
import { endDevice } from "../actions";

export default async function Devices() {
  const session = await members();
  const devices = await session.devices();
  return (
    <main>
      <h1>Devices</h1>
      <ul>
        {devices.map(({ handle, label, current }) => (
          <li key={handle}>
            <form action={endDevice}>
              <input type="hidden" name="handle" value={handle} />
              {label} {current ? "(this one)" : <button type="submit">End</button>}
            </form>
          </li>
        ))}
      </ul>
    </main>
  );
}
