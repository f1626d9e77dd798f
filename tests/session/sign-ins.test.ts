import { expect, test } from "vitest";
import { CHECKED_EVERY, SignIns } from "../../src/request/sign-ins.ts";

test('the last of so many sign-ins of a user looks, and 7 is not "7"', () => {
  const signIns = new SignIns();
  for (let time = 1; time < CHECKED_EVERY; time++) {
    expect(signIns.isDue(7)).toBe(false);
    signIns.note(7, false);
  }
  expect([signIns.isDue(7), signIns.isDue("7")]).toEqual([true, false]);
  signIns.note(7, true);
  expect(signIns.isDue(7)).toBe(false);
});

test("a user who signs in again and again is found among a hundred thousand others", () => {
  const signIns = new SignIns();
  let looks = 0;
  for (let index = 0; index < 100_000; index++) {
    signIns.note(`user ${index}`, false);
    if (index % 20 !== 0) continue;
    const isDue = signIns.isDue("script");
    if (isDue) looks++;
    signIns.note("script", isDue);
  }
  expect(looks).toBeGreaterThan(70);
  expect([...Array(100_000).keys()].some((index) => signIns.isDue(`user ${index}`))).toBe(false);
});
