import { open } from 'node:fs/promises';
import type { Context } from 'mocha';

/** Why libvirt's tests cannot run here; undefined where they can. */
async function missing(type: 'qemu' | 'kvm'): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'libvirtd and namespaces need root';
  if (type === 'qemu') return undefined;
  try {
    await (await open('/dev/kvm', 'r+')).close();
    return undefined;
  } catch {
    // It need not be able to run a guest, but libvirt offers no KVM domain where QEMU cannot open it.
    return 'libvirt takes no domain with vhost where /dev/kvm cannot be opened';
  }
}

/** Skips what needs domains of that type where the machine lacks it, and says why. */
export async function skipWithoutLibvirt(test: Context, type: 'qemu' | 'kvm'): Promise<void> {
  const reason = await missing(type);
  if (reason === undefined) return;
  process.stderr.write(`    skipped: ${reason}\n`);
  test.skip();
}
