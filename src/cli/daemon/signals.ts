/**
 * What each signal does to a switch. Those that are not named keep the kernel's meaning; these here would end it
 * without clearing up, dump it, or (SIGUSR1) have Node open its debugger.
 */
export const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGALRM', 'SIGVTALRM', 'SIGXCPU', 'SIGPWR'] as const;
/** Opens the log anew. The terminal that the switch was started from may also go. */
export const REOPENING = 'SIGHUP';
export const IGNORED = ['SIGUSR1', 'SIGUSR2', 'SIGIO', 'SIGXFSZ', 'SIGSTKFLT'] as const;

export type Signal = (typeof ENDING)[number] | typeof REOPENING | (typeof IGNORED)[number];
