/** A case that hangs must not keep the others from being run. */
const LONGEST = 20_000;

/** Runs cases in turn, and prints one line of JSON: `[{ name, fault? }]`. */
export async function printResults(cases) {
  const results = [];
  for (const { name, run } of cases) {
    let timer;
    const tooLong = new Promise((_done, fail) => {
      timer = setTimeout(() => fail(new Error("It had no end.")), LONGEST);
    });
    try {
      await Promise.race([run(), tooLong]);
      results.push({ name });
    } catch (error) {
      results.push({ name, fault: String(error?.stack ?? error) });
    }
    clearTimeout(timer);
  }
  console.log(JSON.stringify(results));
}
