import adapter from "@sveltejs/adapter-node";
import { sveltekit } from "@sveltejs/kit/vite";

export default {
  plugins: [
    sveltekit({
      adapter: adapter({ precompress: false }),
      // SvelteKit's own check is off, so that psession's is seen: it also lets clients in that send no Origin.
      csrf: { trustedOrigins: ["*"] },
    }),
  ],
};
