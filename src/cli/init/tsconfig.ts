import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** For an application that Node runs as it is: imports end in .ts, and nothing is written. */
export const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2023",
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "noEmit": true,
    "allowImportingTsExtensions": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true
  }
}
`;

/** Whether a tsconfig.json that is there may keep the application's import of its configuration from compiling. */
export function refusesTsImports(folder: string): boolean {
  const file = join(folder, "tsconfig.json");
  return (
    existsSync(file) &&
    !/"(allowImportingTsExtensions|rewriteRelativeImportExtensions)"\s*:\s*true/.test(
      readFileSync(file, "utf8"),
    )
  );
}
