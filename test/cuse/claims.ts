import { connect } from 'node:net';
import { call } from '../../src/switch/rest.js';
import { claimSocketPath } from '../../src/switch/rundir.js';
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
