import type { Deployment } from "../config.ts";
import { type Finding, warning } from "./finding.ts";

export function runtimeFindings({ production }: Deployment, nodeEnv = process.env["NODE_ENV"]): Finding[] {
  if (production !== true || nodeEnv === "production") return [];
  return [
    warning(
      "node_env",
      "The configuration is for production, but NODE_ENV is not: dangerous options are not refused, and frameworks may show errors to visitors.",
      "Start the application, and this command, with NODE_ENV=production.",
    ),
  ];
}
