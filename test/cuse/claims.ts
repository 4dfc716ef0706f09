import { connect } from 'node:net';
import { call } from '../../src/switch/client/http.js';
import { claimSocketPath } from '../../src/switch/run-dir/paths.js';
import { runToEnd } from '../helpers/child.js';
import type { Scope } from '../helpers/scope.js';

/** Others that want a port that a guest has. */

/** VHOST_SET_OWNER of linux/vhost.h, which is how a guest begins. */
const OWN = `open(my $device, '+<', $ARGV[0]) or die "$!"; exit(ioctl($device, 0xaf01, 0) ? 0 : 0 + $!);`;
export const EBUSY = 16;

/** Return: the errno that the device answers a second guest with; 0: it has taken it. */
export async function own(scope: Scope, device: string, deadline: number): Promise<number | null> {
  return (await runToEnd(scope, 'perl', ['-e', OWN, device], { deadline })).code;
}

/** VHOST_SET_VRING_CALL with eventfd2() (its number on x86-64) or what is no event, once the device is its own. */
const CALL = `open(my $device, '+<', $ARGV[0]) or die "$!"; ioctl($device, 0xaf01, 0) or die "$!";
  my $fd = $ARGV[1] eq 'event' ? syscall(290, 0, 0) : fileno($device); $fd >= 0 or die "$!";
  exit(ioctl($device, 0x4008af21, my $file = pack('L2', 0, $fd)) ? 0 : 0 + $!);`;
export const EPERM = 1;
export const EINVAL = 22;

/** Return: the errno that the device answers with where it has to take a descriptor of its guest; 0: it has. */
export async function giveCall(
  scope: Scope,
  device: string,
  what: 'event' | 'device',
  deadline: number,
): Promise<number | null> {
  return (await runToEnd(scope, 'perl', ['-e', CALL, device, what], { deadline })).code;
}

/**
 * All ioctls of linux/vhost.h and two that it has not, with addresses that are none, tables and rings of nonsense and
 * descriptors that are not there, by who has asked for the device, in vain or not. Then opens it until it may not.
 */
const ANYTHING = String.raw`
  my @commands = (0x8008af00, 0x4008af00, 0xaf01, 0x4008af03, 0x4008af04, 0x4004af07, 0x4008af10, 0x4028af11,
    0x4008af12, 0xc008af12, 0x4008af20 .. 0x4008af23, 0x4008af25, 0x8008af26, 0x4008af30, 0xaf02, 0x4008af7f, 0x5401);
  my @records = map { pack('L2 Q6', @$_, (1 << 63) + 1) . "\xff" x 4000 } [1, 99999], [64, 0], [~0, 1];
  my @arguments = (1, -4096, "\0" x 4096, @records);
  open(my $device, '+<', $ARGV[0]) or die "$!";
  for my $command (@commands) {
    ioctl($device, 0xaf01, 0);
    ioctl($device, $command, my $copy = $_) for @arguments;
  }
  my @open = ($device);
  while (open(my $another, '+<', $ARGV[0])) { push @open, $another }
  print scalar(@open), ' ', 0 + $!;
`;

/** Return: how often the device could be opened, and with what errno that ended. */
export async function sayAnything(scope: Scope, device: string, deadline: number): Promise<string> {
  const { stdout, stderr } = await runToEnd(scope, 'perl', ['-we', ANYTHING, device], { deadline });
  if (stderr !== '') throw new Error(stderr);
  return stdout;
}

/** Return: whether a port's socket ends the connection of a second front end, which has said nothing. */
export function isTurnedAway(socket: string, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    const peer = connect(socket);
    peer.setTimeout(deadline, () => peer.destroy(new Error('nothing happens')));
    peer.once('error', () => resolve(false));
    peer.once('end', () => resolve(true));
    peer.resume();
  });
}

/** What the switch tells a second guest's qemu-wrap. */
export async function claimTrouble(runDir: string, name: string): Promise<string> {
  try {
    await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', { name, queues: 1, exact: true });
  } catch (error) {
    return (error as Error).message;
  }
  return 'none';
}
