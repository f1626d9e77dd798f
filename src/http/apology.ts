/** What a visitor reads where no page can be shown: no more than the status says. */
export const apologyFor = (status: number): string =>
  status === 503 ? "Service unavailable, please try again.\n" : "Something went wrong.\n";
