import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Child } from '../child.js';
import type { GuestShell } from '../guests/guest-shell.js';
import type { Scope } from '../scope.js';
import { pattern } from './tcp-peer-main.js';
import type { Namespace } from './wire.js';

const START_DEADLINE_MS = 20_000;
const TRANSFER_DEADLINE_MS = 90_000;
const MAIN = fileURLToPath(new URL('tcp-peer-main.js', import.meta.url));

/** TCP of this machine's kernel, in a network namespace: it takes data and tells their sum, or sends data. */
export class TcpPeer {
  private constructor(
    private readonly host: string,
    private readonly port: number,
  ) {}

  static async start(scope: Scope, namespace: Namespace, host: string, port = 5100): Promise<TcpPeer> {
    const command = ['netns', 'exec', namespace.name, process.execPath, MAIN, host, String(port)];
    const process_ = await Child.start(scope, `TCP in ${namespace.name}`, 'ip', command);
    await process_.waitFor(/listening/, { deadline: START_DEADLINE_MS });
    return new TcpPeer(host, port);
  }

  /** The guest sends random data; gives the sum at either end. */
  async take(guest: GuestShell, bytes: number): Promise<{ readonly sent: string; readonly got: string }> {
    await guest.sh(`head -c ${bytes} /dev/urandom >/tmp/out`);
    const deadline = TRANSFER_DEADLINE_MS;
    const got = await guest.sh(`{ echo take; cat /tmp/out; } | nc ${this.host} ${this.port}`, { deadline });
    const sent = await guest.sh('md5sum </tmp/out; rm /tmp/out');
    return { sent: sent.split(' ')[0] ?? '', got: got.trim() };
  }

  /** The guest is sent so much; gives the sum at either end. */
  async give(guest: GuestShell, bytes: number): Promise<{ readonly sent: string; readonly got: string }> {
    const got = await guest.sh(`echo give ${bytes} | nc ${this.host} ${this.port} | md5sum`, {
      deadline: TRANSFER_DEADLINE_MS,
    });
    return { sent: createHash('md5').update(pattern(bytes)).digest('hex'), got: got.split(' ')[0] ?? '' };
  }
}
