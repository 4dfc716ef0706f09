import type { Draft, Owner } from './change-list.js';
import type { PropertyId } from '../domain/properties.js';

/** What an interface loses when frames no longer pass the kernel: libvirt would take the element and do nothing. */
export interface Lost {
  readonly property: PropertyId;
  readonly what: string;
  /** What it does on a vhost-user interface. */
  readonly effect: 'does nothing on' | 'keeps libvirt from starting';
  /** Somebody may count on it: not having it is worth a warning. */
  readonly matters: boolean;
  /** How our switch does it; undefined where it does not yet. */
  readonly ours: string | undefined;
}

const NOTHING = 'does nothing on';

export const LOST: readonly Lost[] = [
  {
    property: 'vlan',
    what: '<vlan>',
    effect: NOTHING,
    matters: true,
    ours: 'the VLAN mode of its port, vhost-host ports add NAME --vlan access:N',
  },
  { property: 'bandwidth', what: '<bandwidth>', effect: NOTHING, matters: true, ours: undefined },
  { property: 'filterref', what: '<filterref>, its packet filter,', effect: NOTHING, matters: true, ours: undefined },
  {
    property: 'port',
    what: '<port isolated=…>',
    effect: NOTHING,
    matters: true,
    ours: 'vhost-host start --vm2vm 0, which sends the frames of all guests to the network',
  },
  { property: 'virtualport', what: '<virtualport>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'target', what: '<target>, the name of a tap device,', effect: NOTHING, matters: false, ours: undefined },
  { property: 'backend', what: '<backend>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'script', what: '<script>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'downscript', what: '<downscript>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'tune', what: '<tune>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'coalesce', what: '<coalesce>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'ip', what: "<ip>, the tap device's address,", effect: NOTHING, matters: false, ours: undefined },
  { property: 'route', what: "<route>, the tap device's route,", effect: NOTHING, matters: false, ours: undefined },
  { property: 'guest', what: '<guest>', effect: NOTHING, matters: false, ours: undefined },
  { property: 'port-forward', what: '<portForward>', effect: NOTHING, matters: true, ours: undefined },
  // Measured with libvirt 9.0: "Cannot set interface MTU on '(null)'", because there is no tap device.
  {
    property: 'mtu',
    what: '<mtu>',
    effect: 'keeps libvirt from starting',
    matters: true,
    ours: 'the MTU setting inside of the guest',
  },
  { property: 'trust', what: 'trustGuestRxFilters', effect: NOTHING, matters: false, ours: undefined },
];

/** The end of the sentence: what to use instead. */
export function insteadOf({ matters, ours }: Lost): string {
  if (ours !== undefined) return `; use ${ours}`;
  return matters ? '; the switch has no option for it yet' : '';
}

/** Takes out of an interface what means nothing any more, with a line for each. */
export function removeLost(draft: Draft, owner: Owner, title: string): void {
  for (const lost of LOST) {
    if (draft.value(owner, lost.property) === null) continue;
    const text = `${lost.what} ${lost.effect} a vhost-user interface and is removed${insteadOf(lost)}`;
    draft.set(owner, lost.property, null, text);
    if (lost.matters) draft.note(`${title} loses ${lost.what.replace(/,$/, '')}${insteadOf(lost)}`, 'warning');
  }
}
