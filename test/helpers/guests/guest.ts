import { existsSync } from 'node:fs';
import { Child } from '../child.js';
import type { ChildOptions } from '../child.js';
import { GuestShell } from './guest-shell.js';
import { root } from '../paths.js';
import type { Scope } from '../scope.js';

export const kernel = `${root}build/guest/vmlinux`;
export const initramfs = `${root}build/guest/initramfs.cpio`;

/**
 * no_timer_check: on a busy host the timer of an emulated machine comes too late for a kernel that counts on it.
 * pci=nomsi: QEMU 7.2 crashes with vhost-user and MSI-X where it emulates the processor. panic=-1: a guest that
 * crashes starts anew at once, which a test sees, instead of hanging until its deadline. notests: the kernel's tests of
 * its own ciphers are a fifth of an emulated processor's start.
 */
export const kernelArguments = 'console=ttyS0 quiet no_timer_check pci=nomsi panic=-1 cryptomgr.notests';

export interface GuestOptions extends ChildOptions {
  readonly name: string;
  /** The emulator or a wrapper of it. */
  readonly command: string;
  /** What the test is about: network and memory. */
  readonly args: readonly string[];
  /** Another kernel than the tests' own. */
  readonly kernel?: string;
  /** Another file system than the tests' own. */
  readonly initramfs?: string;
  /** Added to the kernel's arguments. */
  readonly append?: string;
  /** Lets the guest use MSI-X; see `kernelArguments`. */
  readonly msi?: boolean;
}

/** Arguments of a machine with a serial line and nothing else; the guest's memory is up to the caller. */
export function machineArgs(name: string): string[] {
  const bare = ['-no-user-config', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'];
  return ['-name', `guest=${name}`, '-machine', 'pc,graphics=off', '-accel', 'tcg,thread=multi', ...bare];
}

/** A Linux guest in a QEMU that this test runs itself. */
export class Guest extends GuestShell {
  private constructor(
    name: string,
    readonly process: Child,
  ) {
    super(name, process);
  }

  /** Starts the guest without waiting for its shell; see `ready`. */
  static async start(
    scope: Scope,
    { name, command, args, msi, kernel: image = kernel, initramfs: own, append = '', ...options }: GuestOptions,
  ): Promise<Guest> {
    if (!existsSync(initramfs)) throw new Error('the test guest is not there; node .ci/prepare.mjs makes it');
    const usual = msi === true ? kernelArguments.replace(' pci=nomsi', '') : kernelArguments;
    const boot = ['-kernel', image, '-initrd', own ?? initramfs, '-append', `${usual} ${append}`];
    const process = await Child.start(scope, name, command, [...machineArgs(name), ...args, ...boot], options);
    return new Guest(name, process);
  }

  static async boot(scope: Scope, options: GuestOptions): Promise<Guest> {
    const guest = await Guest.start(scope, options);
    await guest.ready();
    return guest;
  }
}
