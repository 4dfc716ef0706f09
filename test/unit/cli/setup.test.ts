import { strict as assert } from 'node:assert';
import { CHANGES_DIR } from '../../../src/journal.js';
import { debian12, image, rhel9, withNic, withPool, GIB_KB } from '../hostsetup/systems.js';
import type { MemoryHost } from '../memory-host.js';
import { FakeLibvirt } from './fake-libvirt.js';
import { FlagLedger } from './flags.js';
import { Desk, parse } from './support.js';
import type { Outcome } from './support.js';

const flags = new FlagLedger();
const DROP_IN = '/etc/default/grub.d/95-vhost-host.cfg';
const BINARY = '/opt/vhost-host/bin/vhost-host';

const XML = (name: string, mib: number): string =>
  `<domain type='kvm'><name>${name}</name><memory unit='MiB'>${mib}</memory><devices/></domain>`;

/** A Debian that could be set up, with the programs that this takes. */
function prepared(memory: MemoryHost): MemoryHost {
  withPool(memory, { sizeKb: GIB_KB, total: 0, nodes: [0] });
  for (const program of ['node', 'qemu-system-x86_64', 'libvirtd', 'virsh'])
    memory.file(`/usr/bin/${program}`, '', 0o755);
  memory.file('/usr/sbin/update-grub', '', 0o755).file('/etc/default/grub', 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n');
  memory.file(BINARY, '', 0o755).file('/etc/group', 'kvm:x:107:\n').dir('/run/systemd/system').dir('/var/lib');
  return memory.file('/etc/fstab', '# none\n');
}

/** The fake commands do what the real ones would be seen by. */
function desk(memory: MemoryHost, libvirt = new FakeLibvirt()): Desk {
  const run: FakeLibvirt['run'] = (command, args, options) =>
    command === 'virsh' ? libvirt.run(command, args, options) : memory.host.run(command, args, options);
  return Object.assign(new Desk(), { fakeHost: { ...memory.host, run } });
}

/** With a terminal: what is chosen, then whether the plan is agreed to. */
const asked = (at: Desk, replies: string[], answers: boolean[] = []): Desk => Object.assign(at, { replies, answers });

const setup = (at: Desk, ...args: string[]): Promise<Outcome> =>
  flags.run(at, 'setup', '--package-root', '/opt/vhost-host', ...args);

interface Json {
  readonly changed: boolean;
  readonly choices: Record<string, unknown>;
  readonly steps: readonly { id: string; state: string; diff: string; wanted: string }[];
  readonly notes: readonly string[];
  readonly byHand: unknown;
  readonly awaits: readonly string[];
}
