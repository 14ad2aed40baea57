/** Flags that are wrong, contradict each other or do not fit the data: exit code 2. */
export class UsageError extends Error {}
