import type { Command, Reason } from './command.js';
import type { Config } from './config.js';
import type { Facts } from './facts.js';
import type { MemoryPlan } from './memory.js';
import { addBackend, dropOldOptions, ramToMemfd, shareMemory } from './memory-edit.js';
import { offloadsOff, toVhostUser } from './netdev.js';
import type { Netdev } from './netdev.js';

/** All that a rule may look at besides the command line. */
export interface Context {
  readonly facts: Facts;
  readonly config: Config;
  readonly netdevs: readonly Netdev[];
  readonly memory: MemoryPlan;
  /** Socket of each netdev's port. */
  readonly sockets: ReadonlyMap<string, string>;
}

export interface Rule extends Reason {
  apply(this: Rule, command: Command, context: Context): void;
}

/** Everything that is ever changed for a guest with a vhost netdev, in the order it is done. */
export const RULES: readonly Rule[] = [
  {
    id: 'netdev-vhost-user',
    why: 'the guest is connected to a port of the switch instead of a tap with vhost',
    apply(command, context) {
      toVhostUser(command, this, context.sockets);
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
    id: 'memory-memfd',
    why: 'the switch can only reach memory that has a descriptor and is shared',
    apply(command, context) {
      ramToMemfd(command, this, context.memory);
    },
  },
  {
    id: 'memory-shared',
    why: 'without share=on the link is up and no frame ever arrives',
    apply(command) {
      shareMemory(command, this);
    },
  },
  {
    id: 'memory-backend',
    why: 'memory set by -m alone is private to QEMU; an object can be shared with the switch',
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
      command.append(this, context.config.vhostOptions);
    },
  },
];

/** What the configuration adds for every guest, with or without vhost. */
export const OPTIONS_RULE: Reason = {
  id: 'options',
  why: 'the configuration adds "options" to every guest',
};
