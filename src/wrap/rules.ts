import type { Command, Reason } from './cmdline/command.js';
import { accessPlatformOn } from './confidential.js';
import type { Config } from './config/keys.js';
import type { Facts } from './memory/facts.js';
import type { Machine } from './machine.js';
import type { MemoryPlan } from './memory/plan.js';
import { addBackend, dropOldOptions, giveRamADescriptor, shareMemory } from './memory/edit.js';
import { msixOff, offloadsOff, reconnectKeys, toDevice, toVhostUser } from './netdev.js';
import type { Netdev } from './netdev.js';
import type { Way } from './endpoint.js';

/** All that a rule may look at besides the command line. */
export interface Context {
  readonly facts: Facts;
  readonly config: Config;
  readonly netdevs: readonly Netdev[];
  readonly memory: MemoryPlan;
  readonly machine: Machine;
  /** QEMU emulates the processor of this guest. */
  readonly emulated: boolean;
  /** How each netdev reaches its port. */
  readonly ways: ReadonlyMap<string, Way>;
}

export interface Rule extends Reason {
  apply(this: Rule, command: Command, context: Context): void;
}

/** Everything that is ever changed for a guest, in the order it is done. */
export const RULES: readonly Rule[] = [
  {
    id: 'netdev-vhost-user',
    why: 'the guest is connected to a port of the switch instead of a tap with vhost',
    apply(command, context) {
      toVhostUser(command, this, context.ways, reconnectKeys(context.config.reconnect, context.facts));
    },
  },
  {
    id: 'netdev-cuse',
    why: 'the guest is connected to a port of the switch by its device instead of /dev/vhost-net',
    apply(command, context) {
      toDevice(command, this, context.ways);
    },
  },
  {
    id: 'offloads-off',
    why: 'the switch passes frames on as they are, without checksum and segmentation work',
    apply(command, context) {
      offloadsOff(command, this, context.netdevs);
    },
  },
  {
    id: 'access-platform',
    why: 'the host reads nothing of a confidential guest but what its driver shares: rings, and a copy of each frame',
    apply(command, context) {
      accessPlatformOn(command, this, context.netdevs);
    },
  },
  {
    id: 'msix-off',
    why: 'QEMU 7.2 crashes with vhost-user and MSI-X where it emulates the processor',
    apply(command, context) {
      if (context.emulated) msixOff(command, this, context.netdevs, context.machine);
    },
  },
  {
    id: 'memory-descriptor',
    why: 'only memory that has a descriptor can be shared with the switch, or lie in hugepages',
    apply(command, context) {
      giveRamADescriptor(command, this, context.memory);
    },
  },
  {
    id: 'memory-shared',
    why: 'without share=on the link is up and no frame ever arrives',
    apply(command, context) {
      shareMemory(command, this, context.memory);
    },
  },
  {
    id: 'memory-backend',
    why: 'memory set by -m alone is private to QEMU; that of an object can be shared, or lie in hugepages',
    apply(command, context) {
      addBackend(command, this, context.memory, context.facts);
    },
  },
  {
    id: 'memory-options-dropped',
    why: 'QEMU refuses it beside memory-backend=, and the new object says the same',
    apply(command, context) {
      dropOldOptions(command, this, context.memory);
    },
  },
  {
    id: 'vhost-options',
    why: 'the configuration adds "vhostOptions" to guests with a vhost netdev',
    apply(command, context) {
      if (context.netdevs.length > 0) command.append(this, context.config.vhostOptions);
    },
  },
];

/** What the configuration adds for every guest, with or without vhost. */
export const OPTIONS_RULE: Reason = {
  id: 'options',
  why: 'the configuration adds "options" to every guest',
};
