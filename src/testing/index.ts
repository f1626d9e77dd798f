export { type TestBrowser, type TestBrowserOptions, type TestResponse, testBrowser } from "./browser.ts";
export { type TestClock, testClock } from "./clock.ts";
export { type TestPsessionOptions, testPsession } from "./psession.ts";
export { type SignedInOptions, signedIn } from "./signed-in.ts";
