import { readPcap, writePcap } from '../net/frames.js';
import { tempDir } from '../paths.js';
import type { Scope } from '../scope.js';
import { Testpmd } from './testpmd.js';
import type { PortStats, TestpmdOptions } from './testpmd.js';
import { until } from '../until.js';

/** DPDK's virtio-user as a guest of the switch. */

export const broadcast = 'ff:ff:ff:ff:ff:ff';

export interface NicOptions {
  readonly socket: string;
  readonly mac: string;
  /** virtio-user's device arguments, e.g. `mrg_rxbuf=0`. */
  readonly device?: string;
}

export interface RigOptions extends Pick<TestpmdOptions, 'user' | 'args'> {
  /** Frames come and go in buffers of a few hundred bytes, several for one frame. */
  readonly smallBuffers?: boolean;
}

/** Only the NIC can be told to scatter, not the pcap device; so it is told by hand, before the devices start. */
const smallBuffers = {
  args: ['--mbuf-size=512', '--disable-device-start'],
  commands: ['port config 0 rx_offload scatter on', 'port start all'],
};

const RECEIVE_DEADLINE_MS = 20_000;

function vdev(index: number, { socket, mac, device }: NicOptions): string {
  return [`net_virtio_user${index}`, `path=${socket}`, `mac=${mac}`, ...(device === undefined ? [] : [device])].join(
    ',',
  );
}

/** One or more NICs that count every frame they are given, and send made-up frames when told to. */
export class CountingGuest {
  private constructor(
    readonly testpmd: Testpmd,
    private readonly nics: number,
  ) {}

  /** Starts the guest with all its NICs receiving. */
  static async start(scope: Scope, nics: readonly NicOptions[], options: RigOptions = {}): Promise<CountingGuest> {
    const args = ['--port-topology=loop', '--forward-mode=rxonly', ...(options.args ?? [])];
    const testpmd = await Testpmd.start(scope, { ...options, vdevs: nics.map((nic, index) => vdev(index, nic)), args });
    await testpmd.command('start');
    return new CountingGuest(testpmd, nics.length);
  }

  /** Gives a NIC another address. */
  async rename(nic: number, mac: string): Promise<void> {
    // testpmd asks the device for its address only when it starts it.
    await this.testpmd.commands('stop', `port stop ${nic}`, `mac_addr set ${nic} ${mac}`, `port start ${nic}`, 'start');
  }

  /** Sends so many bursts from one NIC and gives the number of frames. All NICs receive again afterwards. */
  async send(to: string, { nic = 0, bursts = 1, length = 64 } = {}): Promise<number> {
    const all = Array.from({ length: this.nics }, (_, index) => index).join(',');
    await this.testpmd.commands('stop', `set eth-peer ${nic} ${to}`, `set txpkts ${length}`, `set portlist ${nic}`);
    const before = (await this.stats(nic)).txPackets;
    await this.testpmd.commands(`start tx_first ${bursts}`, 'stop');
    const sent = (await this.stats(nic)).txPackets - before;
    await this.testpmd.commands(`set portlist ${all}`, 'start');
    return sent;
  }

  stats(nic = 0): Promise<PortStats> {
    return this.testpmd.stats(nic);
  }

  /** Waits until a NIC has been given so many frames in total. */
  async received(count: number, nic = 0): Promise<PortStats> {
    return until(
      async () => {
        const stats = await this.stats(nic);
        return stats.rxPackets >= count && stats;
      },
      { deadline: RECEIVE_DEADLINE_MS, what: `${count} frames at NIC ${nic} of a counting guest` },
    );
  }
}

/** A NIC that sends given frames, once, and records every frame it is given, byte for byte. */
export class RecordingGuest {
  private constructor(
    readonly testpmd: Testpmd,
    private readonly recording: string,
  ) {}

  static async start(
    scope: Scope,
    nic: NicOptions,
    frames: readonly Buffer[],
    options: RigOptions = {},
  ): Promise<RecordingGuest> {
    const dir = await tempDir(scope, options.user);
    const script = `${dir}/send`;
    const recording = `${dir}/received`;
    await writePcap(script, frames);
    const pcap = `net_pcap0,rx_pcap=${script},tx_pcap=${recording}`;
    const small = options.smallBuffers === true ? smallBuffers : { args: [], commands: [] };
    const args = ['--forward-mode=io', ...small.args, ...(options.args ?? [])];
    const testpmd = await Testpmd.start(scope, { ...options, vdevs: [vdev(0, nic), pcap], args });
    await testpmd.commands(...small.commands);
    return new RecordingGuest(testpmd, recording);
  }

  /** Sends its frames and records from now on. */
  async go(): Promise<void> {
    await this.testpmd.command('start');
  }

  /** Waits until `count` frames have come; gives all that have. */
  received(count: number): Promise<Buffer[]> {
    return until(
      async () => {
        const frames = await readPcap(this.recording);
        return frames.length >= count && frames;
      },
      { deadline: RECEIVE_DEADLINE_MS, what: `${count} frames at a recording guest` },
    );
  }
}
