import { VhostHostError, printable } from '../../common/errors.js';
import type { Note } from './change-list.js';
import type { Domain } from '../domain/domain.js';
import { nicTitle } from '../domain/nic.js';
import type { Nic } from '../domain/nic.js';

export type Mode = 'native' | 'wrap';

export interface Selection {
  readonly nics: readonly Nic[];
  readonly notes: readonly Note[];
}

/** Interfaces that libvirt backs with a tap, which qemu-wrap can take over. */
const TAPS = ['bridge', 'network', 'ethernet', 'direct'];
/** Hardware of its own: there is nothing of ours to put behind it. */
const HARDWARE = ['hostdev', 'vdpa'];

/** Why the interface cannot go to the switch in this mode; undefined where it can. */
function unfitReason(nic: Nic, mode: Mode): string | undefined {
  if (nic.teaming === 'transient') {
    return 'it is the transient half of a failover pair, which has to be a device of the host (hostdev)';
  }
  if (HARDWARE.includes(nic.type)) return `type='${nic.type}' hands the guest a device of its own`;
  if (mode === 'native' || TAPS.includes(nic.type)) return undefined;
  return `qemu-wrap takes over tap interfaces, and type='${nic.type}' has none`;
}

function unfit(nic: Nic, reason: string): VhostHostError {
  const hint = unfitReason(nic, 'native') === undefined ? 'use --mode native' : 'choose another one with --nic';
  return new VhostHostError('DOMAIN_UNFIT', `${nicTitle(nic)} cannot be attached: ${printable(reason)}`, { hint });
}

function named(domain: Domain, wanted: string): Nic {
  const found = domain.nics.find((nic) => nic.mac === wanted.toLowerCase() || String(nic.index) === wanted);
  if (found !== undefined) return found;
  const known = domain.nics.map((nic) => `${nic.index} (${nic.mac ?? 'no address'})`).join(', ');
  throw new VhostHostError('DOMAIN_UNFIT', `${domain.name} has no interface ${printable(wanted)}`, {
    hint: `--nic with one of ${known === '' ? 'none' : known}`,
  });
}

/**
 * The interfaces that are meant. One that was asked for by name must do; of `all`, those are left alone
 * that cannot, or that another vhost-user switch serves (`ours` tells which sockets are our switch's).
 */
export function selectNics(
  domain: Domain,
  wanted: string,
  mode: Mode,
  ours: (socket: string | undefined) => boolean,
): Selection {
  if (wanted !== 'all') {
    const nic = named(domain, wanted);
    const reason = unfitReason(nic, mode);
    if (reason !== undefined) throw unfit(nic, reason);
    return { nics: [nic], notes: [] };
  }
  const notes: Note[] = [];
  const nics = domain.nics.filter((nic) => {
    const foreign = nic.type === 'vhostuser' && !ours(nic.socket);
    const other = foreign ? `it is another switch's (--nic ${nic.index} puts it on ours)` : undefined;
    const reason = unfitReason(nic, mode) ?? other;
    if (reason !== undefined) notes.push({ level: 'info', text: `${nicTitle(nic)} is left alone: ${reason}` });
    return reason === undefined;
  });
  if (nics.length > 0) return { nics, notes };
  const first = domain.nics.find((nic) => unfitReason(nic, mode) === undefined);
  // All have a note by now, in their order.
  const reason = notes[first?.index ?? 0]?.text ?? 'it has no interface';
  throw new VhostHostError('DOMAIN_UNFIT', `${domain.name} has nothing to attach: ${reason}`, {
    hint:
      first === undefined
        ? `virsh attach-interface ${domain.name} … --config`
        : `vhost-host vm attach ${domain.name} --nic ${first.index}`,
  });
}
