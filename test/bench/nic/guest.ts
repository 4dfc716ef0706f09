import type { Scope } from '../../helpers/scope.js';
import { Testpmd } from '../../helpers/guests/testpmd.js';
import { ringSize } from '../cases.js';
import type { Place, Thread } from '../contenders/contender.js';
import { guestMacs } from '../feed.js';
import { forwardingThread, parsePaths } from '../guests.js';
import type { GuestReading } from '../guests.js';
import { beyondMac } from './cases.js';
import type { NicCase } from './cases.js';

/** The one guest of the network side: a dpdk-testpmd that only takes frames, or only makes them. */
export class NicGuest {
  private constructor(
    private readonly testpmd: Testpmd,
    private readonly c: NicCase,
  ) {}

  static async start(scope: Scope, c: NicCase, socket: string, place: Place): Promise<NicGuest> {
    const device = `net_virtio_user0,mac=${guestMacs[0]},path=${socket},queues=1,queue_size=${ringSize},${c.rings.device}`;
    const testpmd = await Testpmd.start(scope, {
      vdevs: [device],
      cpus: String(place.guestCpu),
      hugepages: place.hugepages,
      memoryMb: 256,
      ealArgs: ['--force-max-simd-bitwidth=512', '--log-level=pmd.net.virtio.init:info'],
      args: [
        ...[`--forward-mode=${c.direction === 'receive' ? 'rxonly' : 'txonly'}`, '--port-topology=loop'],
        ...[`--eth-peer=0,${beyondMac}`, `--txpkts=${c.length}`],
        ...[`--txd=${ringSize}`, `--rxd=${ringSize}`, '--total-num-mbufs=16384'],
      ],
    });
    return new NicGuest(testpmd, c);
  }

  get paths(): readonly string[] {
    return parsePaths(this.testpmd.process.output);
  }

  async begin(): Promise<void> {
    await this.testpmd.command('start');
  }

  /** Frames that it was given, or that the switch had room for, by its driver's count. */
  async reading(): Promise<GuestReading> {
    const { rxPackets, rxBytes, txPackets, txBytes } = await this.testpmd.stats(0);
    const at = performance.now();
    return this.c.direction === 'receive'
      ? { at, packets: rxPackets, bytes: rxBytes }
      : { at, packets: txPackets, bytes: txBytes };
  }

  thread(): Promise<Thread> {
    return forwardingThread(this.testpmd);
  }
}
