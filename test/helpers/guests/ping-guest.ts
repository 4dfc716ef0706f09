import assert from 'node:assert/strict';
import { Child } from '../child.js';
import { bin, root } from '../paths.js';
import type { Scope } from '../scope.js';

export interface PingGuestOptions {
  readonly name: string;
  /** Its address is 10.0.0.ME, its MAC ends in ME. */
  readonly me: number;
  /** Whom it pings, over and over: 10.0.0.ASK. */
  readonly ask?: number;
  readonly runDir: string;
  /** Queue pairs of its card, of which it uses the first. */
  readonly queues?: number;
  /** As `-m` has it; default: 64 MiB. */
  readonly memory?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of QEMU. */
  readonly args?: readonly string[];
}

/**
 * As libvirt does for several queues: opens a tap so many times (TUNSETIFF with IFF_TAP, NO_PI, MULTI_QUEUE and VNET_HDR),
 * has the descriptors inherited, and puts their numbers in the place of TAPS.
 */
const WITH_TAPS = `
  $^F = 100;
  my $queues = shift;
  my @taps = map {
    open(my $tap, '+<', '/dev/net/tun') or die "tun: $!";
    ioctl($tap, 0x400454ca, my $request = pack('Z16 S x22', 'vhwide', 0x5102)) or die "tap: $!";
    $tap;
  } 1 .. $queues;
  my $numbers = join(':', map { fileno($_) } @taps);
  s/TAPS/$numbers/ for @ARGV;
  exec(@ARGV) or die "exec: $!";
`;

/** The guest of `test/ping-guest`, by the command line of the old recipe, through qemu-wrap. */
export class PingGuest {
  private constructor(readonly process: Child) {}

  static async start(
    scope: Scope,
    { name, me, ask, runDir, queues, memory = '64', env, args = [] }: PingGuestOptions,
  ): Promise<PingGuest> {
    const bare = ['-no-user-config', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'];
    const mac = `52:54:00:00:00:${String(me).padStart(2, '0')}`;
    const command = [
      ...['-name', name, '-machine', 'pc,accel=tcg', '-m', memory, ...bare],
      ...['-netdev', `tap,id=hostnet1,vhost=on${queues === undefined ? '' : ',fds=TAPS'}`],
      ...['-device', `virtio-net-pci,netdev=hostnet1,id=net1,mac=${mac}${queues === undefined ? '' : ',mq=on'}`],
      ...['-kernel', `${root}build/ping-guest/guest.elf`, '-append', `me=${me} ask=${ask ?? 0}`],
      ...args,
    ];
    const options = { env: { VHOST_HOST_RUN_DIR: runDir, ...env } };
    const start = (program: string, words: readonly string[]): Promise<Child> =>
      Child.start(scope, `guest ${name}`, program, words, options);
    if (queues === undefined) return new PingGuest(await start(bin.qemuWrap, command));
    return new PingGuest(await start('perl', ['-e', WITH_TAPS, String(queues), bin.qemuWrap, ...command]));
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

/**
 * What a guest said before it was moved and after: it goes on with the next ping.
 * It may have been stopped anywhere in a line, half of which either side has then: only whole lines count.
 */
export function goesOn(before: string, after: string): void {
  const numbers = (text: string): number[] =>
    [...text.matchAll(/^reply (\d+)\n/gm)].map(([, number]) => Number(number));
  const last = numbers(before).at(-1) ?? NaN;
  const [first = NaN] = numbers(after);
  const seam = JSON.stringify([before.slice(-40), after.slice(0, 40)]);
  assert.ok(first === last + 1 || first === last + 2, `after reply ${last} came reply ${first}: ${seam}`);
}
