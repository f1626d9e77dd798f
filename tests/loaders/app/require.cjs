const { run } = require("./app.cjs");

const modules = {
  core: require("psession"),
  node: require("psession/node"),
  session: require("psession/express-session"),
  fastifyPlugin: require("psession/fastify").default,
};
run(modules).then(console.log);
