const webpack = require("webpack");

const configurations = ["commonjs2", "module"].map((type) => ({
  mode: "development",
  devtool: false,
  target: "node22",
  entry: "./both.mjs",
  experiments: { outputModule: type === "module" },
  output: {
    path: `${__dirname}/bundles`,
    filename: type === "module" ? "webpack.mjs" : "webpack.cjs",
    library: { type },
  },
}));
webpack(configurations, (error, stats) => {
  if (error === null && !stats.hasErrors()) return;
  console.error(error ?? stats.toString());
  process.exitCode = 1;
});
