/** The only address that pages are served on. */
export const LOOPBACK = '127.0.0.1';

/** Whether a request names this host as itself; a name that leads here from elsewhere (DNS rebinding) is none of ours. */
export function isLoopbackHost(host: string): boolean {
  return /^(127\.0\.0\.1|localhost)(:\d+)?$/u.test(host);
}
