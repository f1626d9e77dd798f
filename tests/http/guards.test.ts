import { expect, test } from "vitest";
import { loginGuard } from "../../src/http/guards.ts";

const nobody = { isSignedIn: false, level: "anonymous", isFresh: () => false } as const;

test("the path that redirectTo gets never leads to another site", () => {
  const guard = loginGuard({ redirectTo: (path) => path });
  const location = (path: string) => guard({ session: nobody, header: () => "text/html", path });
  for (const [asked, given] of [
    ["/account?tab=1", "/account?tab=1"],
    ["//evil.example/a", "/evil.example/a"],
    ["///evil.example", "/evil.example"],
    ["/\\evil.example", "/evil.example"],
    ["\\\\evil.example", "/evil.example"],
    ["http://evil.example/", "/http://evil.example/"],
    ["", "/"],
  ] as const) {
    expect(location(asked), asked).toEqual({ status: 303, location: given });
  }
});
