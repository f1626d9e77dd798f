/** What of an address is kept: all of it, its network, or nothing. */
export type AddressDetail = "full" | "network" | "none";

/** The bits that are kept of a network. */
export const NETWORK = { v4: 24, v6: 48 } as const;
