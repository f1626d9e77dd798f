import type { NextConfig } from "next";

export default { serverExternalPackages: ["psession"] } satisfies NextConfig;
