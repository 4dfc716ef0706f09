import { VhostHostError } from '../../common/errors.js';
import type { LibvirtView, Outcome } from '../../hostsetup/checks/check.js';
import type { Look } from '../../host/tolerant-reader.js';
import { readAbstraction, rulesFile } from '../../libvirt/install/apparmor-step.js';
import { accessTrouble, qemuIdentity } from '../../libvirt/install/qemu-user.js';
import { findDaemon } from '../../libvirt/install/daemon.js';
import { WRAPPER } from '../../libvirt/install/wrapper.js';
import { builtinAcl } from '../../libvirt/qemu-conf/builtin-acl.js';
import { allowedDevices } from '../../libvirt/qemu-conf/edit.js';
import { QEMU_CONF } from '../../libvirt/qemu-conf/step.js';
import { MODULE } from '../../libvirt/install/selinux-policy.js';
import type { Host } from '../../host/host.js';

/** libvirt's part of what `vhost-host check` looks at, from its files. */

const SELINUX = '/var/lib/selinux';

async function readPolicy(look: Look): Promise<LibvirtView['policy']> {
  const abstraction = await readAbstraction(look);
  const rules = abstraction === undefined ? '' : await look.text(rulesFile(abstraction).path);
  const stores = await Promise.all(
    (await look.list(SELINUX)).map(async (store) => {
      const modules = `${SELINUX}/${store}/active/modules`;
      const places = (await look.list(modules)).map((priority) => look.stat(`${modules}/${priority}/${MODULE}`));
      return (await Promise.all(places)).some((stat) => stat !== undefined);
    }),
  );
  return { apparmor: rules.includes(WRAPPER), selinux: stores.includes(true) };
}

/** A file that libvirt itself would not start with is a finding, not a failure of ours. */
function readAcl(conf: string): Pick<LibvirtView, 'allowedDevices' | 'confTrouble'> {
  try {
    return { allowedDevices: allowedDevices(conf, QEMU_CONF), confTrouble: undefined };
  } catch (failure) {
    if (!(failure instanceof VhostHostError)) throw failure;
    return { allowedDevices: undefined, confTrouble: failure.message };
  }
}

async function isDevice(look: Look, path: string): Promise<boolean> {
  return (await look.stat(path))?.kind === 'character';
}

/**
 * undefined where libvirt's QEMU driver is not installed. `host`: whose daemon to look for; none for an image.
 * `devices`: paths of the switch's devices, besides those that go by its default name.
 */
export async function viewLibvirt(
  look: Look,
  host: Host | undefined,
  sockets: readonly string[],
  devices: readonly string[],
  trouble: Outcome | undefined,
): Promise<LibvirtView | undefined> {
  if ((await look.stat('/etc/libvirt')) === undefined || (await look.stat(QEMU_CONF)) === undefined) return undefined;
  const conf = (await look.readOptional(QEMU_CONF)) ?? '';
  const identity = await qemuIdentity(look, conf, undefined);
  const names = (await look.list('/dev')).filter((name) => /^usvhost-\d+$/.test(name));
  const candidates = [...new Set([...names.map((name) => `/dev/${name}`), ...devices])].sort();
  const there = await Promise.all(candidates.map((path) => isDevice(look, path)));
  const guestDevices = candidates.filter((_, i) => there[i]);
  const denied = new Map<string, string>();
  for (const path of ['/dev/kvm', ...guestDevices, ...sockets]) {
    const reason = await accessTrouble(look, path, identity);
    if (reason !== undefined) denied.set(path, reason);
  }
  return {
    daemon: host === undefined ? undefined : (await findDaemon(host).catch(() => undefined))?.name,
    trouble,
    user: identity.name,
    ...readAcl(conf),
    defaultDevices: await builtinAcl(look),
    guestDevices,
    kvm: await isDevice(look, '/dev/kvm'),
    denied,
    wrapper: (await look.stat(WRAPPER)) !== undefined,
    policy: await readPolicy(look),
  };
}
