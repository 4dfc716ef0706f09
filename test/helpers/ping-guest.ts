import { Child } from './child.js';
import { bin, root } from './paths.js';
import type { Scope } from './scope.js';

export interface PingGuestOptions {
  readonly name: string;
  /** Its address is 10.0.0.ME, its MAC ends in ME. */
  readonly me: number;
  /** Whom it pings, over and over: 10.0.0.ASK. */
  readonly ask?: number;
  readonly runDir: string;
  /** Queue pairs of its card, of which it uses the first. */
  readonly queues?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of QEMU. */
  readonly args?: readonly string[];
}

/** The guest of `test/ping-guest`, by the command line of the old recipe, through qemu-wrap. */
export class PingGuest {
  private constructor(readonly process: Child) {}

  static async start(
    scope: Scope,
    { name, me, ask, runDir, queues, env, args = [] }: PingGuestOptions,
  ): Promise<PingGuest> {
    const bare = ['-no-user-config', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'];
    const mac = `52:54:00:00:00:${String(me).padStart(2, '0')}`;
    const command = [
      ...['-name', name, '-machine', 'pc,accel=tcg', '-m', '64', ...bare],
      ...['-netdev', `tap,id=hostnet1,vhost=on${queues === undefined ? '' : `,queues=${queues}`}`],
      ...['-device', `virtio-net-pci,netdev=hostnet1,id=net1,mac=${mac}${queues === undefined ? '' : ',mq=on'}`],
      ...['-kernel', `${root}build/ping-guest/guest.elf`, '-append', `me=${me} ask=${ask ?? 0}`],
      ...args,
    ];
    const options = { env: { VHOST_HOST_RUN_DIR: runDir, ...env } };
    return new PingGuest(await Child.start(scope, `guest ${name}`, bin.qemuWrap, command, options));
  }

  /** Waits for its driver. */
  async up(deadline: number): Promise<void> {
    await this.process.waitFor(/up\n/, { deadline });
  }

  /** Waits until so many pings more were answered, each of which it has compared byte by byte. */
  async replies(count: number, deadline: number): Promise<void> {
    const from = this.process.stdout.length;
    await this.process.waitFor(new RegExp(`(reply \\d+\\n[^]*?){${count}}`), { deadline, from });
  }
}
