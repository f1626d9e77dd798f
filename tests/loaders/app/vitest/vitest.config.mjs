export default {
  test: {
    include: ["*.test.mjs"],
    server: { deps: { inline: process.env.INLINE === undefined ? [] : ["psession"] } },
  },
};
