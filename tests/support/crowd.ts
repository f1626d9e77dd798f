/**
 * For tests in which a hundred or more write at once, or as much is done one after the other: they take longest.
 * `--tags-filter='!crowd'` leaves them out, `--tags-filter=crowd` chooses them.
 */
export const CROWD = { tags: ["crowd"] };

/** The same for cases of a contract, whose names say how many there are. */
export const crowdIn = (name: string): Partial<typeof CROWD> => (/\bhundred\b/.test(name) ? CROWD : {});
