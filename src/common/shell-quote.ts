/** A word as a POSIX shell reads it back. */
export function quoteForShell(path: string): string {
  return /^[\w./+@:-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
