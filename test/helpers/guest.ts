import { existsSync } from 'node:fs';
import { Child } from './child.js';
import type { ChildOptions } from './child.js';
import { root } from './paths.js';
import type { Scope } from './scope.js';

const kernel = `${root}build/guest/vmlinuz`;
const initramfs = `${root}build/guest/initramfs.cpio`;

/**
 * pci=nomsi: QEMU 7.2 crashes with vhost-user and MSI-X where it emulates the processor. panic=-1: a guest that
 * crashes starts anew at once, which a test sees, instead of hanging until its deadline.
 */
const kernelArguments = 'console=ttyS0 quiet pci=nomsi panic=-1';

const BOOT_DEADLINE_MS = 90_000;

export interface GuestOptions extends ChildOptions {
  readonly name: string;
  /** The emulator or a wrapper of it. */
  readonly command: string;
  /** What the test is about: network and memory. */
  readonly args: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly output: string;
}

/** Arguments of a machine with a serial line and nothing else; the guest's memory is up to the caller. */
export function machineArgs(name: string): string[] {
  const bare = ['-no-user-config', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'];
  return ['-name', `guest=${name}`, '-machine', 'pc,graphics=off', '-accel', 'tcg,thread=multi', ...bare];
}

/** A Linux guest in QEMU that takes shell commands over its serial line. */
export class Guest {
  #serial = 0;

  private constructor(
    readonly name: string,
    readonly process: Child,
  ) {}

  /** Starts the guest without waiting for its shell; see `ready`. */
  static async start(scope: Scope, { name, command, args, ...options }: GuestOptions): Promise<Guest> {
    if (!existsSync(initramfs)) throw new Error('the test guest is not there; node .ci/prepare.mjs makes it');
    const boot = ['-kernel', kernel, '-initrd', initramfs, '-append', kernelArguments];
    const process = await Child.start(scope, name, command, [...machineArgs(name), ...args, ...boot], options);
    return new Guest(name, process);
  }

  static async boot(scope: Scope, options: GuestOptions): Promise<Guest> {
    const guest = await Guest.start(scope, options);
    await guest.ready();
    return guest;
  }

  /** Waits for the guest's shell; `from` = where in the output to look, for a guest that starts anew. */
  async ready(from = 0): Promise<void> {
    await this.process.waitFor(/\nguest-ready\n/, { deadline: BOOT_DEADLINE_MS, from });
  }

  /** Runs a shell command (one line) in the guest. */
  async run(command: string, { deadline = 30_000 } = {}): Promise<Answer> {
    if (command.includes('\n')) throw new Error('a guest command is one line');
    const id = `${this.name}-${++this.#serial}`;
    const from = this.process.stdout.length;
    this.process.write(`${id} ${command}\n`);
    const pattern = new RegExp(`\\nbegin-${id}\\n([^]*?)\\nend-${id} (\\d+)\\n`);
    const match = await this.process.waitFor(pattern, { deadline, from });
    return { output: match[1] ?? '', status: Number(match[2]) };
  }

  /** Like `run`, for commands that must succeed; gives their output. */
  async sh(command: string, options?: { deadline?: number }): Promise<string> {
    const { status, output } = await this.run(command, options);
    if (status !== 0) throw new Error(`in ${this.name}: ${command}: exit code ${status}: ${output}`);
    return output;
  }

  /** Gives the first network interface an address. */
  async address(address: string): Promise<void> {
    await this.sh(`ip addr add ${address} dev eth0 && ip link set eth0 up`);
  }

  /** Resets the machine from inside and waits until the guest is up again. */
  async reboot(): Promise<void> {
    const from = this.process.stdout.length;
    this.process.write('0 reboot -f\n');
    await this.ready(from);
  }
}
