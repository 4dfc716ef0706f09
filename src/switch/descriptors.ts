import { VhostHostError } from '../common/errors.js';
import type { Host } from '../host/host.js';

/**
 * Open files that the process may have (RLIMIT_NOFILE; Node has raised its soft limit to the hard one by itself),
 * and how they are shared out: some for the API and the switch's own files, the rest for ports and front ends.
 */

/** Of a port: librte_vhost's socket, the way to it, our own. */
const PORT = 3;
/**
 * Of a front end: its connection, ours to librte_vhost and that one's end, its dirty log, the channel that it is asked
 * by for translations, its memory's files.
 */
const FRONT_END = 5 + 8;
/** Of a ring: kick and call, librte_vhost's and our duplicates. */
const RING = 4;

/** What a port with this many queue pairs needs once its guest runs. */
export function descriptorsOf(queues: number): number {
  return PORT + FRONT_END + 2 * queues * RING;
}

export class Descriptors {
  private constructor(
    private readonly host: Host,
    readonly limit: number,
    /** Of the switch without ports. */
    private readonly base: number,
    private readonly log: (line: string) => void,
  ) {}

  static async measure(host: Host, log: (line: string) => void): Promise<Descriptors> {
    const text = (await host.readOptional('/proc/self/limits')) ?? '';
    const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
    return new Descriptors(host, soft === undefined ? 2 ** 31 - 1 : Number(soft), await openNow(host), log);
  }

  /** For the API, the log, and what the switch reads. */
  get reserve(): number {
    return Math.min(128, Math.max(16, Math.floor(this.limit / 8)));
  }

  get forFrontEnds(): number {
    return Math.max(1, this.limit - this.reserve);
  }

  /** Clients of one of the two APIs at a time. */
  get clients(): number {
    return Math.floor(this.reserve / 4);
  }

  /** Refuses a port whose guest would find no descriptor left once those of all `others` run. */
  async check(name: string, queues: number, others: readonly { readonly queues: number }[]): Promise<void> {
    const need = descriptorsOf(queues);
    const promised = others.reduce((sum, port) => sum + descriptorsOf(port.queues), this.base);
    const taken = Math.max(promised, await openNow(this.host));
    if (taken + need <= this.forFrontEnds) return;
    const message =
      `port ${name}: not enough descriptors: its guest may need ${need}, and of the ${this.limit} open files that ` +
      `the limit allows, ${taken} are taken or promised to ports and ${this.reserve} kept for the switch`;
    const wanted = 2 ** Math.ceil(Math.log2((taken + need) * 1.25));
    this.log(message);
    throw new VhostHostError('PORT_LIMIT', message, {
      hint: `LimitNOFILE=${wanted} in the service, or ulimit -n ${wanted}, and start the switch anew`,
      details: { limit: this.limit, taken, need },
    });
  }
}

async function openNow(host: Host): Promise<number> {
  return (await host.list('/proc/self/fd')).length;
}
