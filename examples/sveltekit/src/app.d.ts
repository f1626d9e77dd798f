import type { SessionLocals } from "psession/sveltekit";

declare global {
  namespace App {
    interface Locals extends SessionLocals {}
  }
}

declare module "psession" {
  interface SessionData {
    cart: string[];
  }
}
