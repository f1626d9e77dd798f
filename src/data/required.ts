/**
 * What applications that `require` psession merge into its SessionData. TypeScript merges into one declaration of a name,
 * and theirs is another module than the one that is imported: so the build puts theirs here.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled elsewhere.
export interface RequiredSessionData {}
