/** setpriv's words for a process that has these capabilities at most, and besides its own one group: as a service. */
export function leaving(capabilities: readonly string[], group: string): readonly string[] {
  const set = ['-all', ...capabilities.map((name) => name.replace('CAP_', '+').toLowerCase())].join(',');
  return ['--no-new-privs', '--bounding-set', set, '--inh-caps=-all', '--groups', group];
}
