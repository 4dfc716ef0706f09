import { readFile, readdir } from 'node:fs/promises';
import { readPcap, writePcap } from '../helpers/net/frames.js';
import { tempDir } from '../helpers/paths.js';
import type { Scope } from '../helpers/scope.js';
import { Testpmd } from '../helpers/guests/testpmd.js';
import { until } from '../helpers/until.js';
import { ringSize } from './cases.js';
import type { Case } from './cases.js';
import type { Contender, Place, Thread } from './contenders/contender.js';
import { framesFrom, guestMacs } from './feed.js';

/**
 * The two guests: one dpdk-testpmd on one CPU with two virtio-user ports (0 and 1) that forwards what comes at one to
 * the other, so that frames circle through the switch. Two pcap ports (2 and 3) put the frames in and take them out.
 */

export interface GuestReading {
  readonly at: number;
  readonly packets: number;
  readonly bytes: number;
}

const waitMs = 20_000;

/** How testpmd's driver tells which of its functions it has chosen: `virtio: using vectorized packed ring Rx path on port 0`. */
export function parsePaths(output: string): string[] {
  const paths = [...output.matchAll(/virtio: using (.+?) path on port 0\b/g)].map(([, path = '']) =>
    path.toLowerCase(),
  );
  return [...new Set(paths)];
}

/** Frames that testpmd itself threw away, from what it prints at `stop`. */
export function parseGuestDrops(output: string): number {
  const accumulated = output.slice(Math.max(0, output.lastIndexOf('Accumulated forward statistics')));
  return Number(/TX-dropped:\s*(\d+)/.exec(accumulated)?.[1] ?? 0);
}

/** What a window needs to know of the guests. */
export interface GuestCounter {
  reading(): Promise<GuestReading>;
  /** The thread that forwards. */
  thread(): Promise<Thread>;
}

export async function forwardingThread(testpmd: Testpmd): Promise<Thread> {
  const { pid } = testpmd.process;
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    const name = await readFile(`/proc/${pid}/task/${tid}/comm`, 'utf8');
    // DPDK has named it so, in this order, over the years.
    if (/^(rte-worker|lcore-worker|dpdk-w)/.test(name)) return { pid, tid: Number(tid) };
  }
  throw new Error('testpmd has no forwarding thread');
}

export class Guests implements GuestCounter {
  private constructor(
    private readonly testpmd: Testpmd,
    private readonly dir: string,
    private readonly wanted: readonly number[],
  ) {}

  static async start(scope: Scope, c: Case, sockets: readonly string[], place: Place): Promise<Guests> {
    const dir = await tempDir(scope);
    const scripts = [framesFrom(0, c), framesFrom(1, c)];
    for (const [index, frames] of scripts.entries()) await writePcap(`${dir}/in-${index}`, frames);
    const nics = sockets.map(
      (socket, index) =>
        `net_virtio_user${index},mac=${guestMacs[index] ?? ''},path=${socket},queues=1,queue_size=${ringSize},${c.rings.device}`,
    );
    const feeders = scripts.map(
      (_, index) => `net_pcap${index},rx_pcap=${dir}/in-${index},tx_pcap=${dir}/out-${index}`,
    );
    const testpmd = await Testpmd.start(scope, {
      vdevs: [...nics, ...feeders],
      cpus: String(place.guestCpu),
      hugepages: place.hugepages,
      memoryMb: 256,
      // Without the first, DPDK does not choose its AVX-512 functions even where the processor has it.
      ealArgs: ['--force-max-simd-bitwidth=512', '--log-level=pmd.net.virtio.init:info'],
      args: [
        ...['--forward-mode=io', `--eth-peer=0,${guestMacs[1]}`, `--eth-peer=1,${guestMacs[0]}`],
        ...[`--txd=${ringSize}`, `--rxd=${ringSize}`, '--total-num-mbufs=16384'],
      ],
    });
    return new Guests(
      testpmd,
      dir,
      scripts.map((frames) => frames.length),
    );
  }

  get paths(): readonly string[] {
    return parsePaths(this.testpmd.process.output);
  }

  /**
   * Puts the frames into both transmit rings while the switch stands still (otherwise the first would come round and out
   * again while the last go in), then lets all go.
   */
  async begin(c: Case, contender: Contender): Promise<void> {
    contender.pause();
    await this.testpmd.commands('set portlist 2,0,3,1', 'start');
    await until(async () => (await this.sent(0)) === this.wanted[0] && (await this.sent(1)) === this.wanted[1], {
      deadline: waitMs,
      what: `${this.wanted.join(' and ')} frames to be in the guests' rings`,
    });
    await this.testpmd.commands('stop', 'set portlist 0,1', `set fwd ${c.mode}`, 'start');
    contender.resume();
  }

  private async sent(port: number): Promise<number> {
    return (await this.testpmd.stats(port)).txPackets;
  }

  async reading(): Promise<GuestReading> {
    const [a, b] = [await this.testpmd.stats(0), await this.testpmd.stats(1)];
    return { at: performance.now(), packets: a.rxPackets + b.rxPackets, bytes: a.rxBytes + b.rxBytes };
  }

  /** Stops the circle and takes out every frame that is still in it. */
  async finish(): Promise<{ frames: Buffer[]; dropped: number }> {
    const dropped = parseGuestDrops(await this.testpmd.command('stop'));
    await this.testpmd.commands('set fwd io', 'set portlist 0,2,1,3', 'start');
    let before = -1;
    const settled = async (): Promise<boolean> => {
      const taken = (await this.sent(2)) + (await this.sent(3));
      const same = taken === before;
      before = taken;
      // A pause longer than a switch that is kept from its CPU for a while.
      if (!same) await new Promise((resolve) => setTimeout(resolve, 100));
      return same;
    };
    await until(settled, { deadline: waitMs, what: 'the circling frames to be taken out' });
    await this.testpmd.command('stop');
    const frames = await Promise.all([0, 1].map((index) => readPcap(`${this.dir}/out-${index}`)));
    return { frames: frames.flat(), dropped };
  }

  thread(): Promise<Thread> {
    return forwardingThread(this.testpmd);
  }
}
