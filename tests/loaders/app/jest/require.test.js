const { run } = require("../app.cjs");

test("the application", async () => {
  const modules = {
    core: require("psession"),
    node: require("psession/node"),
    session: require("psession/express-session"),
    fastifyPlugin: require("psession/fastify").default,
  };
  expect(await run(modules)).toBe("All is well.");
});

test("every entry", () => {
  for (const path of Object.keys(require("psession/package.json").exports)) {
    expect(require(`psession${path.slice(1)}`)).toBeDefined();
  }
});
