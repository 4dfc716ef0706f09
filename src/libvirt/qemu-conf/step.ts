import { VhostHostError } from '../../common/errors.js';
import { builtinAcl } from './builtin-acl.js';
import { planWrites, readSnapshot } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import { allowDevices, allowedDevices, extendSetting, setSetting } from './edit.js';
import type { Host } from '../../host/host.js';

export const QEMU_CONF = '/etc/libvirt/qemu.conf';

const CONTROLLERS = ['cpu', 'devices', 'memory', 'blkio', 'cpuset', 'cpuacct'];
/** From here on a guest's devices are a matter of cgroup_device_acl alone. */
const LEGACY_BELOW = [3, 0, 0];

/** The recipe of 2014, for a libvirt of that time. */
export function legacySettings(text: string, path: string): string {
  const withControllers = extendSetting(text, path, 'cgroup_controllers', 'devices', CONTROLLERS);
  const settings = { clear_emulator_capabilities: '0', user: '"root"', group: '"root"' };
  return Object.entries(settings).reduce((now, [name, value]) => setSetting(now, path, name, value), withControllers);
}

export interface QemuConfSpec {
  readonly devices: readonly string[];
  readonly legacy: boolean;
}

export async function qemuConfStep(host: Host, { devices, legacy }: QemuConfSpec): Promise<Step> {
  const before = (await readSnapshot(host, QEMU_CONF))?.text;
  if (before === undefined) {
    throw new VhostHostError('SETUP_REFUSED', `${QEMU_CONF} is not there: libvirt's QEMU driver is not installed`, {
      hint: 'apt-get install libvirt-daemon-system',
    });
  }
  const withDevices = allowDevices(before, QEMU_CONF, devices, await builtinAcl(host));
  const text = legacy ? legacySettings(withDevices, QEMU_CONF) : withDevices;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path: QEMU_CONF, text }]);
  const allowed = allowedDevices(before, QEMU_CONF);
  const current = allowed === undefined ? "libvirt's default devices" : allowed.join(', ');
  return {
    id: 'qemu-conf',
    title: `allow guests ${devices.join(', ')} in ${QEMU_CONF}`,
    why: 'libvirt gives a guest a /dev of its own, with these devices and no others in it',
    current: legacy && actions.length > 0 ? `${current}; not as the recipe of 2014 has it` : current,
    wanted: [allowedDevices(text, QEMU_CONF)?.join(', ') ?? current, ...(legacy ? ['run as root'] : [])].join('; '),
    diff,
    actions,
    needsReboot: false,
  };
}

/** `9.0.0` out of what `virsh --version` or a daemon says. */
export function parseVersion(text: string): number[] | undefined {
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(text);
  return found?.slice(1).map(Number);
}

/** The legacy settings weaken the host: not for a libvirt that does without. */
export function refuseLegacy(version: readonly number[] | undefined): void {
  const said = version?.join('.');
  if (said === undefined) {
    throw new VhostHostError('SETUP_REFUSED', 'the version of libvirt is not known, so --legacy cannot be judged', {
      hint: 'virsh --version',
    });
  }
  const differs = LEGACY_BELOW.findIndex((part, i) => version?.[i] !== part);
  const older = differs >= 0 && (version?.[differs] ?? 0) < (LEGACY_BELOW[differs] ?? 0);
  if (older) return;
  const reason = `libvirt ${said} needs none of the legacy settings: running guests as root would only weaken the host`;
  throw new VhostHostError('SETUP_REFUSED', reason, { hint: 'leave --legacy out' });
}
