import { isTooOld, OLDEST_NODE } from "../../node-version.ts";
import type { Deployment } from "../config.ts";
import { error, type Finding, warning } from "./finding.ts";

export function runtimeFindings(
  { production }: Deployment,
  version = process.versions.node,
  nodeEnv = process.env["NODE_ENV"],
): Finding[] {
  const oldest = OLDEST_NODE.join(".");
  return [
    ...(isTooOld(version)
      ? [
          error(
            "node_too_old",
            `This is Node ${version}; psession uses what came with ${oldest}, and may fail anywhere.`,
            `Run the application with Node ${oldest} or later.`,
          ),
        ]
      : []),
    ...(production === true && nodeEnv !== "production"
      ? [
          warning(
            "node_env",
            "The configuration is for production, but NODE_ENV is not: dangerous options are not refused, and frameworks may show errors to visitors.",
            "Start the application, and this command, with NODE_ENV=production.",
          ),
        ]
      : []),
  ];
}
