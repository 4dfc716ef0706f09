import { strict as assert } from 'node:assert';
import { GIB, MIB } from '../../../../src/common/bytes.js';
import { runShell } from '../../hostsetup/boot/grub-sourced.js';
import { livePool, withMounts } from '../../hostsetup/kernel/fake.js';
import { GIB_KB, withPool } from '../../hostsetup/systems.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { FakeLibvirt } from '../fake-libvirt.js';
import { FlagLedger } from '../flags.js';
import { Desk, parse } from '../support.js';
import type { Outcome } from '../support.js';

/** A host to be set up, and who sits at its terminal. */

export const flags = new FlagLedger();
const SERVICE = 'vhost-host.service';
const BINARY = '/opt/vhost-host/bin/vhost-host';

export const XML = (name: string, mib: number): string =>
  `<domain type='kvm'><name>${name}</name><memory unit='MiB'>${mib}</memory><devices/></domain>`;

/** A system that could be set up: with the programs that this takes, and a kernel that gives pages. */
export function prepared(memory: MemoryHost): MemoryHost {
  withPool(memory, { sizeKb: GIB_KB, total: 0, nodes: [0] });
  for (const program of ['node', 'qemu-system-x86_64', 'libvirtd', 'virsh'])
    memory.file(`/usr/bin/${program}`, '', 0o755);
  memory
    .file('/usr/sbin/update-grub', '. /etc/default/grub.d/*.cfg\n', 0o755)
    .file('/etc/default/grub', 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n');
  memory.file('/usr/lib/systemd/systemd', '', 0o755).dir('/dev').dir('/mnt');
  memory.file(BINARY, '', 0o755).file('/etc/group', 'kvm:x:107:\n').dir('/run/systemd/system').dir('/var/lib');
  const nodes = [...memory.entries.keys()].flatMap((path) => /node(\d+)\/meminfo$/.exec(path)?.[1] ?? []).map(Number);
  for (const pageSize of [GIB, 2 * MIB]) livePool(memory, { pageSize, nodes });
  memory.dir('/etc/systemd/system/local-fs.target.wants').dir('/etc/systemd/system/multi-user.target.wants');
  return memory.file('/etc/fstab', '# none\n');
}

/** Its commands do what the real ones would be seen by. */
export function desk(memory: MemoryHost, libvirt = new FakeLibvirt()): Desk {
  const live = withMounts(memory);
  const wants = `/etc/systemd/system/multi-user.target.wants/${SERVICE}`;
  const run: FakeLibvirt['run'] = async (command, args, options) => {
    const [program, ...words] = command === 'chroot' ? args.slice(1) : [command, ...args];
    const below = command === 'chroot' ? args[0] : '';
    if (program === 'sh') return runShell(['sh'], words, (path) => memory.entries.get(`${below}${path}`)?.text);
    if (command === 'virsh') return libvirt.run(command, args, options);
    if (command !== 'systemctl' || !args.includes(SERVICE)) return live.run(command, args, options);
    if (args[0] === 'enable') memory.link(wants, `/etc/systemd/system/${SERVICE}`);
    if (args[0] === 'disable') memory.entries.delete(wants);
    return memory.host.run(command, args, options);
  };
  return Object.assign(new Desk(), { fakeHost: { ...live, run } });
}

/** With a terminal: what is chosen, then whether the plan is agreed to. */
export const asked = (at: Desk, replies: string[], answers: boolean[] = []): Desk =>
  Object.assign(at, { replies, answers });

export const setup = (at: Desk, ...args: string[]): Promise<Outcome> =>
  flags.run(at, 'setup', '--package-root', '/opt/vhost-host', ...args);

export interface Json {
  readonly changed: boolean;
  readonly choices: Record<string, unknown>;
  readonly steps: readonly { id: string; state: string; diff: string; wanted: string }[];
  readonly notes: readonly string[];
  readonly byHand: unknown;
  readonly awaits: readonly string[];
}

export async function json(at: Desk, ...args: string[]): Promise<Json & { code: number }> {
  const { code, out } = await setup(at, '--json', ...args);
  assert.equal(out.length, 1, out.join('\n'));
  return { ...(parse(out[0]) as unknown as Json), code };
}

export const states = ({ steps }: Json): Record<string, string> =>
  Object.fromEntries(steps.map(({ id, state }) => [id, state]));

export const ALL = ['--guest-memory', '2G', '--page-size', '1G', '--switch-pages', '16', '--nic', 'none', '--boot'];
