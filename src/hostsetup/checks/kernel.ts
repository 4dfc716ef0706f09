import { SETUP, error, info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';
import { relevant } from '../boot/next-boot.js';
import type { ModuleName } from '../modules/read.js';

/** Modules, the IOMMU, and whether the running kernel is the one that was asked for. */

const PURPOSE: Readonly<Record<ModuleName, string>> = {
  'vfio-pci': 'hands network cards to the switch',
  cuse: 'makes /dev/usvhost-N',
  tun: 'makes taps for guests on a bridge',
};

/** What to install for a module that the kernel's package does without. */
function packageFor({ host }: Subject, name: ModuleName): string {
  const { family } = host.system.distribution;
  if (family.includes('fedora') || family.includes('rhel'))
    return `sudo dnf install kernel-modules-extra, then sudo modprobe ${name}`;
  // Kernels built elsewhere may be without; these have them all.
  if (family.includes('ubuntu')) return 'sudo apt-get install linux-generic, and a reboot';
  if (family.includes('debian')) return 'sudo apt-get install linux-image-amd64, and a reboot';
  return `a kernel with the module ${name}`;
}

function module(name: ModuleName): Check {
  const run = (subject: Subject): Outcome[] => {
    const state = subject.host.modules.get(name) ?? 'unknown';
    const purpose = PURPOSE[name];
    if (state === 'loaded' || state === 'built-in') return [ok(`${state}; it ${purpose}`)];
    if (state === 'available') return [info(`not loaded; it ${purpose}`, `sudo modprobe ${name}`)];
    if (state === 'unknown') return [info(`not loaded, and this kernel's modules are not here; it ${purpose}`)];
    return [warning(`this kernel has no such module; it ${purpose}`, packageFor(subject, name))];
  };
  const states = ['ok', 'info', 'warning'] as const;
  return { id: `module-${name}`, title: `module ${name}`, group: 'kernel', live: true, states, run };
}

/** Of its values only the last keeps a device from working, and it cannot be taken back while the kernel runs. */
function ptrace({ host }: Subject): Outcome[] {
  if (host.system.ptraceScope < 3) return [];
  const reason = 'kernel.yama.ptrace_scope is 3: not even root may take the descriptors of a guest on /dev/usvhost-N';
  return [warning(reason, 'set it to 1 where /etc/sysctl.d sets it, and sudo reboot; vhost-user works as it is')];
}

/** Of who serves devices at this moment; others are told when they begin. */
function bridges({ host }: Subject): Outcome[] {
  const restart = 'vhost-host stop && sudo vhost-host start';
  return host.bridges.map(({ pid, lacking, apart }) => {
    if (apart) {
      const reason = `process ${pid}, which serves /dev/usvhost-N, has a PID namespace of its own and sees no guest`;
      return error(reason, "start the switch outside of the container, or with the host's PID namespace");
    }
    if (lacking.length === 0) return ok(`process ${pid}, which serves /dev/usvhost-N, may open guests' memory`);
    return error(`process ${pid} may not open guests' memory for /dev/usvhost-N: no ${lacking.join(', ')}`, restart);
  });
}

function iommu({ host }: Subject): Outcome[] {
  const { groups, inFirmware } = host.iommu;
  if (groups > 0) return [ok(`on, with ${groups} groups`)];
  const asked = relevant(host.system.arguments.join(' ')).filter((word) => /iommu=/.test(word) && !/=off$/.test(word));
  if (asked.length > 0) {
    return [warning(`off in spite of ${asked.join(' ')}`, 'switch VT-d or AMD-Vi on in the firmware settings')];
  }
  const why = inFirmware ? 'off' : 'none';
  return [info(`${why}; only a network card bound to vfio-pci needs one`, ...(inFirmware ? [SETUP] : []))];
}

function reboot({ host }: Subject): Outcome[] {
  if (host.boot === undefined) return [];
  const now = relevant(host.system.arguments.join(' ')).join(' ');
  const next = host.boot.arguments.join(' ');
  if (now === next) return [ok(`the kernel runs with what ${host.boot.source} says`)];
  const said = (text: string): string => (text === '' ? 'none of the arguments for hugepages and the IOMMU' : text);
  return [warning(`the next boot has ${said(next)} (${host.boot.source}); now ${said(now)}`, 'sudo reboot')];
}

export const KERNEL_CHECKS: readonly Check[] = [
  {
    id: 'reboot-pending',
    title: 'kernel arguments at work',
    group: 'kernel',
    live: true,
    states: ['ok', 'warning'],
    run: reboot,
  },
  module('vfio-pci'),
  module('cuse'),
  module('tun'),
  { id: 'ptrace', title: 'descriptors of guests', group: 'kernel', live: true, states: ['warning'], run: ptrace },
  { id: 'bridge', title: 'devices of the switch', group: 'kernel', live: true, states: ['ok', 'error'], run: bridges },
  { id: 'iommu', title: 'IOMMU', group: 'kernel', live: true, states: ['ok', 'info', 'warning'], run: iommu },
];
