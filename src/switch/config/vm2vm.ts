import { VhostHostError } from '../../common/errors.js';
import type { Settings } from './settings.js';

/**
 * `--vm2vm 2`: a card hands frames from guest to guest. It knows guests by the tags of VLAN mode `auto`, and there is
 * just one of it. What can be told before the card itself is asked.
 */

/** What fixes every refusal: the same for guests, without a card. */
export const IN_SOFTWARE = 'vhost-host start --vm2vm 1';

type Wanted = Pick<Settings, 'vm2vm' | 'vlan' | 'ports' | 'uplinks'>;

/** Why a card cannot switch between the guests of a switch with these settings, and what to type instead. */
function misfit({ vlan, ports, uplinks }: Wanted): readonly [reason: string, hint?: string] | undefined {
  const [uplink, ...others] = uplinks;
  const command = 'vhost-host start --vm2vm 2 --vlan auto --uplink net=0000:03:00.0';
  if (uplink === undefined) return ['no uplink is named', command];
  if (others.length > 0) return [`${uplinks.length} uplinks are named, and just one card can do it`];
  if (vlan !== 'auto') return [`it tells guests apart by the tags of VLAN mode auto, not of ${vlan}`, command];
  const port = ports.find((spec) => (spec.vlan ?? vlan) !== 'auto');
  if (port !== undefined) {
    return [`it tells guests apart by the tags of VLAN mode auto, and port ${port.name} has ${port.vlan ?? vlan}`];
  }
  if ((uplink.queues ?? 1) > 1) return [`uplink ${uplink.name} has several queues of its own`];
  return uplink.pools === 0 ? [`uplink ${uplink.name} is to use no pools of its card`] : undefined;
}

/** Throws where the settings want what no card could do. */
export function checkVm2vm(wanted: Wanted): void {
  const [reason, hint = IN_SOFTWARE] = (wanted.vm2vm === 'hardware' ? misfit(wanted) : undefined) ?? [];
  if (reason === undefined) return;
  throw new VhostHostError('CONFIG_INVALID', `--vm2vm 2: the card cannot switch between guests: ${reason}`, { hint });
}

/** Why a port with this mode and device number cannot be in such a switch; undefined where it can. */
export function portMisfit(vlan: string, id: number, tags: number): string | undefined {
  if (vlan !== 'auto') return `with --vm2vm 2 ports have VLAN mode auto, not ${vlan}`;
  return id < tags ? undefined : `with --vm2vm 2 there are at most ${tags} ports, which is what cards can tell apart`;
}
