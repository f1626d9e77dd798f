export interface Case {
  readonly name: string;
  run(): Promise<void>;
}
export function printResults(cases: Iterable<Case>): Promise<void>;
