import type { NextConfig } from "next";

export default {
  output: "standalone",
  // One copy of psession in the process: proxy, pages and actions are bundled apart from each other.
  serverExternalPackages: ["psession"],
} satisfies NextConfig;
