/**
 * The SessionData of applications that `require` psession. TypeScript merges into one declaration of a name, and the
 * required module is another than the imported one: so the build puts the required one's here.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled elsewhere.
export interface RequiredSessionData {}
