import { followedBy, planWrites } from '../../changes/steps.js';
import type { Action } from '../../changes/steps.js';
import { findProgram } from '../../host/find-program.js';
import type { Host } from '../../host/host.js';
import type { LinkTo } from '../../host/kernel/sysfs-link.js';
import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

/**
 * How a card is handed to a driver for user space so that it lasts: by driverctl where that is installed, because
 * administrators look there, else by a udev rule. Both say it in one file, which takes effect whenever the card
 * appears, and `driver_override` keeps the kernel's own driver off from then on, however early that one came.
 */

export interface Binding {
  /** PCI address. */
  readonly address: string;
  readonly driver: string;
  /** Who has the card now; undefined where nobody has. */
  readonly present: string | undefined;
  /** When it changes hands; `never`: it has already, or nothing runs that could take it back. */
  readonly moves: 'now' | 'at boot' | 'never';
}

export interface BindDraft {
  /** What keeps it, in a few words. */
  readonly how: string;
  readonly actions: readonly Action[];
  readonly diff: string;
}

export async function draftBinding(host: Host, binding: Binding): Promise<BindDraft> {
  const hasDriverctl = (await findProgram(host, 'driverctl')) !== undefined;
  return hasDriverctl ? draftDriverctl(host, binding) : draftUdev(host, binding);
}

/** What `driverctl set-override` keeps, and its own rule for udev reads. */
async function draftDriverctl(host: Host, { address, driver, moves }: Binding): Promise<BindDraft> {
  const path = `/etc/driverctl.d/pci-${address}`;
  const had = (await host.stat(path)) !== undefined;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path, text: `${driver}\n` }]);
  const load = ['driverctl', 'load-override', address];
  const giveBack = had ? load : ['driverctl', 'unset-override', address];
  const draft = { how: 'driverctl', diff };
  if (moves === 'never' || (moves === 'at boot' && actions.length === 0)) return { ...draft, actions };
  const undone: Action = { kind: 'run', undo: giveBack };
  return { ...draft, actions: moves === 'now' ? followedBy(actions, load, giveBack) : [undone, ...actions] };
}

const BEFORE = '# Driver before: ';
const NOBODY = 'none';

/** Before 80-drivers.rules, which loads the kernel's own driver. */
export const rulePath = (address: string): string => `/etc/udev/rules.d/60-vhost-host-${address}.rules`;

/**
 * Ends well when udevd has heard it, which in its first moments is not when it minds it: one that was just starting
 * has been seen (systemd 252) to go on for good without a rule that it was told of like this.
 */
const RELOAD = ['udevadm', 'control', '--reload'];

async function draftUdev(host: Host, { address, driver, present, moves }: Binding): Promise<BindDraft> {
  const path = rulePath(address);
  const old = await host.readOptional(path);
  // Once the card is ours, only the rule still knows whose it was.
  const before = present === driver ? beforeOf(old) : present;
  const text = ruleText(address, driver, before);
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path, text }]);
  const draft = { how: 'a udev rule', diff };
  if (moves === 'never' || (moves === 'at boot' && actions.length === 0)) return { ...draft, actions };
  const bind: Action = {
    kind: 'run',
    ...(moves === 'now' ? { command: trigger('add', address) } : {}),
    undo: trigger('offline', address),
    until: {
      done: drivenBy(address, driver),
      ...(before === undefined ? {} : { undone: drivenBy(address, before) }),
      sayAgain: RELOAD,
    },
  };
  return { ...draft, actions: [...followedBy(actions, RELOAD), bind] };
}

/** Leads to who drives the card. */
export const driverLink = (address: string): string => `/sys/bus/pci/devices/${address}/driver`;

const drivenBy = (address: string, driver: string): LinkTo => ({ link: driverLink(address), name: driver });

function beforeOf(rule: string | undefined): string | undefined {
  const line = rule?.split('\n').find((text) => text.startsWith(BEFORE));
  const name = line?.slice(BEFORE.length) ?? NOBODY;
  return name !== NOBODY && /^[\w-]+$/.test(name) ? name : undefined;
}

function trigger(action: 'add' | 'offline', address: string): string[] {
  const which = ['--subsystem-match=pci', `--sysname-match=${address}`];
  return ['udevadm', 'trigger', '--settle', `--action=${action}`, ...which];
}

/**
 * `driver_override` cannot be emptied by a rule (udev writes no line ends, and the kernel takes no notice of an empty
 * write), so giving back names the driver from before; with the next boot the override is gone. No device of the bus
 * is ever "offline" by itself: that event is ours.
 */
export function ruleText(address: string, driver: string, before: string | undefined): string {
  const hand = (action: string, from: string, to: string): string => {
    const match = `ACTION=="${action}", SUBSYSTEM=="pci", KERNEL=="${address}"`;
    return [
      `${match}, DRIVER${from}, ATTR{driver_override}="${to}"`,
      `${match}, DRIVER=="?*", DRIVER${from}, ATTR{driver/unbind}="%k"`,
      `${match}, DRIVER${from}, ATTR{subsystem/drivers_probe}="%k"`,
      '',
    ].join('\n');
  };
  const load = `ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${address}", RUN{builtin}+="kmod load ${driver}"\n`;
  const head = `${WRITTEN_BY_SETUP}${BEFORE}${before ?? NOBODY}\n`;
  const back = before === undefined ? '' : hand('offline', `=="${driver}"`, before);
  return `${head}${hand('add', `!="${driver}"`, driver)}${load}${back}`;
}
