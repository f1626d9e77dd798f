import adapter from "@sveltejs/adapter-node";
import { sveltekit } from "@sveltejs/kit/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [
    sveltekit({
      adapter: adapter(),
      // Where browsers find this application. SvelteKit compares the Origin of forms with it, and psession the scheme.
      paths: { origin: process.env.ORIGIN },
      // Remote functions, which src/routes/account/cart.remote.ts uses, are experimental in SvelteKit 3.
      experimental: { remoteFunctions: true },
      compilerOptions: { experimental: { async: true } },
    }),
  ],
});
