import { existsSync } from 'node:fs';
import { Child } from '../child.js';
import { GuestShell } from './guest-shell.js';
import { root } from '../paths.js';
import type { Scope } from '../scope.js';

/**
 * A machine with Debian's stock kernel that sees this very clone, and all else of this system, read-only, with a layer in
 * memory over it (`.ci/guest/machine`). For what the kernel here may not have.
 */
export class Machine extends GuestShell {
  static async boot(scope: Scope): Promise<Machine> {
    const kernel = `${root}build/machine/vmlinuz`;
    const initramfs = `${root}build/machine/initramfs.cpio`;
    if (!existsSync(initramfs)) throw new Error('the test machine is not there; node .ci/prepare.mjs makes it');
    const bare = ['-no-user-config', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'];
    // No mitigations: they cost an emulated processor half of its speed.
    const append = 'console=ttyS0 quiet no_timer_check panic=-1 hugepages=256 mitigations=off';
    const process = await Child.start(scope, 'the machine', 'qemu-system-x86_64', [
      ...bare,
      ...['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '3', '-m', '3500'],
      ...['-kernel', kernel, '-initrd', initramfs, '-append', append],
      ...['-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap'],
      ...['-device', 'virtio-9p-pci,fsdev=root,mount_tag=root'],
    ]);
    const machine = new Machine('machine', process);
    await machine.ready();
    return machine;
  }
}
