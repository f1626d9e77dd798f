/** As Babel and ts-jest do it: an application's `import` becomes `require`. */
module.exports = {
  testMatch: ["**/*.test.js"],
  transform: { "import\\.test\\.js$": "<rootDir>/transform.cjs" },
};
