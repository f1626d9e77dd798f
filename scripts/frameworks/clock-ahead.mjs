/** Loaded before an application: its clock is ahead by CLOCK_AHEAD milliseconds, as if it had been days. */
const ahead = Number(process.env.CLOCK_AHEAD ?? 0);
const { now } = Date;
Date.now = () => now() + ahead;
