import { error, info, ok, warning } from './check.js';
import type { Check, LibvirtView, Outcome, State, Subject } from './check.js';

/** libvirt on this host: there, running, and not in a guest's way to the switch. */

const SETUP = 'sudo vhost-host libvirt setup';
const QEMU_CONF = '/etc/libvirt/qemu.conf';

function daemon({ around, host }: Subject): Outcome[] {
  const { libvirt } = around;
  if (libvirt === undefined) return [info("libvirt's QEMU driver is not installed; QEMU alone will do")];
  if (libvirt.trouble !== undefined) return [libvirt.trouble];
  if (host.system.kernel === undefined) return [ok(`installed; it runs guests as ${libvirt.user}`)];
  return [ok(`${libvirt.daemon ?? 'libvirt'} answers; it runs guests as ${libvirt.user}`)];
}

/** Of a list that is set, libvirt's own defaults count for nothing: the list of 2014 lacks some. */
function acl({ allowedDevices, defaultDevices, guestDevices, confTrouble }: LibvirtView): Outcome[] {
  if (confTrouble !== undefined) return [error(confTrouble, `sudoedit ${QEMU_CONF}`)];
  const allowed = allowedDevices ?? defaultDevices;
  const lacking = defaultDevices.filter((device) => !allowed.includes(device));
  if (lacking.length > 0) {
    return [
      warning(`cgroup_device_acl lacks what guests need by default: ${lacking.join(', ')}`, `sudoedit ${QEMU_CONF}`),
    ];
  }
  const missing = guestDevices.filter((device) => !allowed.includes(device));
  if (missing.length > 0) {
    const numbers = missing.flatMap((device) => /-(\d+)$/.exec(device)?.[1] ?? []).join(',');
    return [
      error(
        `${missing.join(', ')}: neither allowed to guests (cgroup) nor in their private /dev`,
        `${SETUP} --devices ${numbers}`,
      ),
    ];
  }
  const all = guestDevices.length === 0 ? 'vhost-user needs no device' : guestDevices.join(', ');
  return [ok(allowedDevices === undefined ? `libvirt's defaults; ${all}` : all)];
}

function devices({ libvirt }: Subject['around']): Outcome[] {
  if (libvirt === undefined) return [];
  const paths = [...(libvirt.kvm ? ['/dev/kvm'] : []), ...libvirt.guestDevices];
  if (paths.length === 0) return [info('no /dev/kvm: guests are emulated, slowly')];
  return paths.map((path) => {
    const trouble = libvirt.denied.get(path);
    if (trouble === undefined) return ok(`${libvirt.user} may use ${path}`);
    const give = `sudo chgrp kvm ${path} && sudo chmod 0660 ${path}`;
    return path === '/dev/kvm' ? warning(`${path}: ${trouble}`, give) : error(`${path}: ${trouble}`, give);
  });
}

function sockets({ libvirt, sockets: paths, runDir }: Subject['around']): Outcome[] {
  if (libvirt === undefined || paths.length === 0) return [];
  const closed = paths.filter((path) => libvirt.denied.has(path));
  const [first] = closed;
  if (first === undefined) return [ok(`${libvirt.user} may use the ${paths.length} in ${runDir}`)];
  const others = closed.length > 1 ? ` (and ${closed.length - 1} more)` : '';
  return [error(`${first}${others}: ${libvirt.denied.get(first) ?? ''}`, `sudo usermod -aG kvm ${libvirt.user}`)];
}

/** Rules matter once qemu-wrap is there to be held up; a vhost-user guest's socket is in libvirt's own rules. */
function confined(name: string, present: boolean, { wrapper }: LibvirtView): Outcome {
  if (present) return ok(`${name}, with our rules`);
  const missing = `${name}, and without our rules`;
  return wrapper
    ? warning(`${missing} qemu-wrap is stopped`, SETUP)
    : info(`${missing} qemu-wrap would be stopped`, SETUP);
}

function apparmor({ host, around: { libvirt } }: Subject): Outcome[] {
  if (libvirt === undefined) return [];
  return [host.appArmor ? confined('on', libvirt.policy.apparmor, libvirt) : ok('off')];
}

function selinux({ host, around: { libvirt } }: Subject): Outcome[] {
  if (libvirt === undefined) return [];
  if (host.selinux === 'permissive') return [info('permissive: it may be enforcing, with our policy module', SETUP)];
  return [host.selinux === 'off' ? ok('off') : confined('enforcing', libvirt.policy.selinux, libvirt)];
}

const group = 'libvirt';
const all: readonly State[] = ['ok', 'info', 'warning', 'error'];

export const LIBVIRT_CHECKS: readonly Check[] = [
  { id: 'libvirt', title: 'daemon', group, live: false, states: ['ok', 'info', 'warning'], run: daemon },
  {
    id: 'cgroup-acl',
    title: 'devices of guests',
    group,
    live: false,
    states: ['ok', 'warning', 'error'],
    run: ({ around: { libvirt } }) => (libvirt === undefined ? [] : acl(libvirt)),
  },
  {
    id: 'device-access',
    title: 'permissions of devices',
    group,
    live: true,
    states: all,
    run: ({ around }) => devices(around),
  },
  {
    id: 'socket-access',
    title: 'permissions of sockets',
    group,
    live: true,
    states: ['ok', 'error'],
    run: ({ around }) => sockets(around),
  },
  { id: 'apparmor', title: 'AppArmor', group, live: true, states: ['ok', 'info', 'warning'], run: apparmor },
  { id: 'selinux', title: 'SELinux', group, live: true, states: ['ok', 'info', 'warning'], run: selinux },
];
