import { onTestFinished } from "vitest";

/** The text of the next process warning of this code. */
export function warnings(code: string): Promise<string> {
  return new Promise((resolve) => {
    const listener = (warning: Error & { code?: string }) => {
      if (warning.code !== code) return;
      process.off("warning", listener);
      resolve(warning.message);
    };
    process.on("warning", listener);
    onTestFinished(() => void process.off("warning", listener));
  });
}
