/** What a file got by `require` is what another got by `import`. */
import { memoryStore, type Psession, type Session } from "psession";
import type { Session as OwnSession } from "psession/express-session";

import required = require("psession");
import session = require("psession/express-session");

const psession: Psession = required.createPsession({ store: memoryStore(), keys: [] });
declare const given: required.Session;
const own: Session = given;
declare const theirs: session.Session;
const ours: OwnSession = theirs;

export { ours, own, psession };
