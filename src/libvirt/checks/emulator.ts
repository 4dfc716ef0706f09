import { dirname } from 'node:path';
import { isWrapper } from './facts.js';
import type { CheckFacts } from './facts.js';
import type { Domain } from '../domain/domain.js';
import type { Check, Finding } from './check.js';

/** The emulator: there, allowed, and known to libvirt as it is. */

const ELEMENT = '<devices><emulator>';
/** Where libvirt's AppArmor profile lets it execute programs. */
const ALLOWED = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'];
const INSTALL = 'sudo vhost-host libvirt setup';
/** Measured: 7.2 crashes, 10 does not. */
const FIRST_SOUND_QEMU = 10;

function missing({ emulator }: Domain, facts: CheckFacts): Finding[] {
  if (emulator === undefined || (facts.emulator?.kind === 'file' && (facts.emulator.mode & 0o111) !== 0)) return [];
  const reason = `${emulator} is ${facts.emulator === undefined ? 'not there' : 'no program that can be started'}`;
  return [{ level: 'error', element: ELEMENT, reason, fix: isWrapper(emulator) ? INSTALL : `ls -l ${emulator}` }];
}

function forbidden({ emulator }: Domain, facts: CheckFacts): Finding[] {
  if (emulator === undefined || !facts.appArmor || ALLOWED.includes(dirname(emulator))) return [];
  const reason = `AppArmor lets libvirt start programs in ${ALLOWED.join(', ')} only, not ${emulator}`;
  return [{ level: 'error', element: ELEMENT, reason, fix: INSTALL }];
}

function stale({ emulator }: Domain, facts: CheckFacts): Finding[] {
  const wrapper = facts.emulator?.ctimeMs;
  const real = facts.realEmulator.stat?.ctimeMs;
  if (!isWrapper(emulator) || wrapper === undefined || real === undefined || wrapper >= real) return [];
  const reason = `${facts.realEmulator.path} is newer than ${emulator}: libvirt goes on with what the old one could do`;
  return [{ level: 'warning', element: ELEMENT, reason, fix: `sudo touch ${emulator}` }];
}

function crashes(domain: Domain, facts: CheckFacts): Finding[] {
  const { qemuMajor } = facts;
  if (domain.type !== 'qemu' || qemuMajor === undefined || qemuMajor >= FIRST_SOUND_QEMU) return [];
  if (!domain.nics.some(({ type }) => type === 'vhostuser') || /\bpci=nomsi\b/.test(domain.kernelArguments)) return [];
  const reason = `QEMU ${qemuMajor} may crash when an emulated guest uses vhost-user with MSI-X interrupts`;
  const fix = `pci=nomsi on the guest's kernel command line, kvm, or QEMU ${FIRST_SOUND_QEMU}`;
  return [{ level: 'warning', element: '<domain type=>', reason, fix }];
}

export const EMULATOR_CHECKS: readonly Check[] = [
  { id: 'emulator-missing', title: 'the emulator is a program', run: missing },
  { id: 'emulator-forbidden', title: 'AppArmor lets libvirt start it', run: forbidden },
  { id: 'wrapper-stale', title: 'libvirt knows what the present QEMU can do', run: stale },
  { id: 'emulated-msix', title: 'QEMU survives vhost-user under emulation', run: crashes },
];
