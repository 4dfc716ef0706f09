import { connect } from 'node:net';
import type { Config } from '../../../../src/switch/config/config.js';
import { apiSocketPath } from '../../../../src/switch/run-dir/paths.js';
import type { UplinkAdd } from '../../../../src/switch/model/schema.js';
import { buildFrontEnd } from '../../frontend.js';
import { packImage } from '../guest-image.js';
import { Guest } from '../guest.js';
import { root, tempDir } from '../../paths.js';
import { Qmp } from '../qmp.js';
import type { Scope } from '../../scope.js';
import { Switch } from '../../switch.js';
import { until } from '../../until.js';
import { bridge } from './bridge.js';
import { Cable } from './cable.js';
import { programs, switchFiles, vhostHost } from './package.js';
import { Talker } from './talker.js';

/**
 * A machine with a network card that has VMDq (Intel 82576, which QEMU emulates from version 8 on), an IOMMU, and
 * this switch inside; the test has the other end of the card's cable.
 */

/** The card's address in the machine. */
export const CARD = '0000:00:05.0';

const QEMU = `${root}build/qemu/usr`;
const RUN = '/run/vhost-host';
const LOG = '/run/switch.log';
const MODULES = ['vfio_iommu_type1', 'vfio-pci', 'uio_pci_generic'];
/** The machine's processor is emulated; Node alone needs seconds to come up there. */
const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 30_000;

/** With a thread for each processor one was seen to halt and never to wake again, on a busy machine. */
const qemuArgs = [
  ...['-L', `${QEMU}/share/qemu`, '-L', `${QEMU}/share/seabios`],
  ...['-machine', 'q35,kernel-irqchip=split', '-accel', 'tcg,thread=single', '-cpu', 'max', '-smp', '2', '-m', '1024'],
  ...['-device', 'intel-iommu,intremap=on'],
];

export class Machine {
  private constructor(
    private readonly shell: Guest,
    readonly cable: Cable,
    /** The switch inside, as soon as it runs. */
    readonly vswitch: Switch,
    private readonly monitor: string,
  ) {}

  static async boot(scope: Scope): Promise<Machine> {
    await buildFrontEnd(scope, ...programs);
    const dir = await tempDir(scope);
    const { archive, modules } = await packImage(scope, { files: switchFiles(dir), modules: MODULES });
    const cable = await Cable.lay(scope, `${dir}/cable`);
    const monitor = `${dir}/qmp`;
    const nic = ['-netdev', cable.netdev('n0'), '-device', 'igb,netdev=n0,addr=05.0,romfile='];
    const shell = await Guest.boot(scope, {
      name: 'machine',
      command: `${QEMU}/bin/qemu-system-x86_64`,
      args: [...qemuArgs, ...nic, '-qmp', `unix:${monitor},server=on,wait=off`],
      append: 'intel_iommu=on iommu=pt hugepages=64',
      msi: true,
      initramfs: archive,
      env: { QEMU_MODULE_DIR: `${QEMU}/lib/x86_64-linux-gnu/qemu` },
    });
    for (const module of modules) await shell.sh(`insmod /modules/${module}`);
    await shell.sh('mkdir -p /run /var/run /dev/shm /g && mount -t tmpfs shm /dev/shm');
    await bridge(scope, shell, apiSocketPath(dir), apiSocketPath(RUN));
    const machine = new Machine(shell, cable, Switch.at(scope, dir), monitor);
    await machine.bind('vfio-pci');
    return machine;
  }

  /** Hands the card to this driver; no switch has it. */
  async bind(driver: 'vfio-pci' | 'uio_pci_generic'): Promise<void> {
    const card = `/sys/bus/pci/devices/${CARD}`;
    await this.shell.sh(`[ ! -e ${card}/driver ] || echo ${CARD} >${card}/driver/unbind`);
    await this.shell.sh(`echo ${driver} >${card}/driver_override; echo ${CARD} >/sys/bus/pci/drivers_probe`);
  }

  /** Plugs the cable in, or pulls it out. */
  async link(up: boolean): Promise<void> {
    const stream = connect(this.monitor);
    try {
      await (await Qmp.greet(stream)).run('set_link', { name: 'n0', up });
    } finally {
      stream.destroy();
    }
  }

  /** Starts the switch with this configuration, and the card as uplink `net`. */
  async start(config: Config, uplink: Partial<UplinkAdd> = {}): Promise<void> {
    const text = JSON.stringify({ ...config, uplinks: [{ name: 'net', device: CARD, ...uplink }] });
    await this.shell.sh(`echo ${Buffer.from(text).toString('base64')} | base64 -d >/run/config`);
    const words = ['start', '--foreground', '--run-dir', RUN, '--config', '/run/config'];
    // What one before has said is not said by this one.
    await this.shell.sh(`rm -f ${LOG}`);
    await this.shell.sh(`cd / && node ${vhostHost} ${words.join(' ')} >${LOG} 2>&1 &`);
    await this.says(/switch ready/, START_DEADLINE_MS);
  }

  /** Ends the switch, and waits until it has gone. */
  async stop(): Promise<void> {
    await this.shell.sh('kill $(pidof node)');
    await until(async () => (await this.shell.run('pidof node')).status !== 0, {
      deadline: STOP_DEADLINE_MS,
      what: 'the end of the switch',
    });
  }

  log(): Promise<string> {
    return this.shell.sh(`cat ${LOG} 2>/dev/null || true`);
  }

  /** Waits for a line of the switch's log. */
  async says(pattern: RegExp, deadline = 20_000): Promise<void> {
    await until(
      async () => {
        const log = await this.log();
        if (/^vhost-host: /m.test(log)) throw new Error(`the switch does not start: ${log}`);
        return pattern.test(log);
      },
      { deadline, what: `${String(pattern)} in the log` },
    );
  }

  /** A port, and a guest that is connected to it. */
  async guest(name: string): Promise<Talker> {
    await this.vswitch.addPort(name);
    return this.talker(name);
  }

  /** A guest for a port that is there. */
  talker(name: string, options?: { offloads?: boolean; lazy?: boolean }): Promise<Talker> {
    return Talker.start(this.shell, name, `${RUN}/port-${name}.sock`, options);
  }
}
