import type { Context } from 'mocha';

/** Skips what needs a libvirtd of its own where that cannot be had, and says why. */
export function skipWithoutLibvirt(test: Context): void {
  if (process.getuid?.() === 0) return;
  process.stderr.write('    skipped: libvirtd and namespaces need root\n');
  test.skip();
}
