import type { Deployment } from "../config.ts";
import { error, type Finding, warning } from "./finding.ts";

const OLDEST = [22, 13] as const;

export function runtimeFindings(
  { production }: Deployment,
  version = process.versions.node,
  nodeEnv = process.env["NODE_ENV"],
): Finding[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  return [
    ...(isOld
      ? [
          error(
            "node_too_old",
            `This is Node ${version}; psession uses what came with ${OLDEST.join(".")}, and may fail anywhere.`,
            `Run the application with Node ${OLDEST.join(".")} or later.`,
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
