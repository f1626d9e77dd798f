import type { NextConfig } from "next";

export default {
  output: "standalone",
  serverExternalPackages: ["psession"],
  basePath: "/shop",
  env: { NEXT_PUBLIC_BASE_PATH: "/shop" },
} satisfies NextConfig;
