import { bin } from '../paths.js';
import type { GuestOptions } from '../guests/guest.js';

export interface RecipeOptions {
  readonly name: string;
  readonly mac: string;
  readonly runDir: string;
  /** Further properties of the device, e.g. `disable-modern=on`. */
  readonly device?: string;
  /** Queue pairs of the card; guests use as many of them as they have processors, and firmware uses one. */
  readonly queues?: number;
}

/**
 * A guest started by the old recipe's command line, through qemu-wrap. QEMU gives every guest the same MAC, so
 * each is told its own.
 */
export function recipeGuest({ name, mac, runDir, device, queues }: RecipeOptions): GuestOptions {
  const [pairs, mq] = queues === undefined ? ['', []] : [`,queues=${queues}`, ['mq=on']];
  const properties = ['netdev=hostnet1', 'id=net1', `mac=${mac}`, ...mq, ...(device === undefined ? [] : [device])];
  return {
    name,
    command: bin.qemuWrap,
    args: [
      ...['-netdev', `tap,id=hostnet1,vhost=on${pairs}`],
      ...['-device', `virtio-net-pci,${properties.join(',')}`],
      ...['-m', '256'],
    ],
    env: { VHOST_HOST_RUN_DIR: runDir },
  };
}

/** The port that qemu-wrap claims for such a guest. */
export function recipePort(name: string): string {
  return `${name}-hostnet1`;
}
