import { groupOf } from './argv.js';
import type { Arg } from './argv.js';
import { Command } from './command.js';
import type { Change } from './command.js';
import type { Config } from './config.js';
import type { Facts } from './facts.js';
import { belowLibvirt, guestName, portName } from './guest.js';
import { checkHugepages, memoryPaths, planMemory } from './memory.js';
import { surveyNetdevs } from './netdev.js';
import { OPTIONS_RULE, RULES } from './rules.js';

/** A port that the guest needs from the switch. */
export interface Claim {
  readonly netdev: string;
  readonly name: string;
  readonly queues: number;
  /** The guest has a name of its own, so this very port is its; otherwise a numbered sibling will do. */
  readonly exact: boolean;
}

/** What has to be found out before a command line can be rewritten. */
export interface Survey {
  readonly claims: readonly Claim[];
  readonly memoryPaths: readonly string[];
  readonly belowLibvirt: boolean;
}

export interface Inputs {
  readonly facts: Facts;
  readonly config: Config;
  /** By netdev id. */
  readonly sockets: ReadonlyMap<string, string>;
}

export interface Rewritten {
  readonly args: readonly Arg[];
  readonly changes: readonly Change[];
  /** Inherited descriptors that nothing in the new command line names. */
  readonly close: readonly number[];
}

/** libvirt asks an emulator what it can do with a machine that has nothing; that call is not a guest. */
function isProbe(command: Command): boolean {
  return command.options('machine').some((item) => groupOf(item).get('type') === 'none');
}

/** What the call asks for; throws where it cannot be given. */
export function survey(args: readonly string[], config: Config): Survey {
  const command = new Command(args);
  command.append(OPTIONS_RULE, config.options);
  const netdevs = isProbe(command) ? [] : surveyNetdevs(command);
  if (netdevs.length === 0) return { claims: [], memoryPaths: [], belowLibvirt: false };
  const guest = guestName(command);
  const claims = netdevs.map(({ id, queues }) => ({
    netdev: id,
    name: portName(guest ?? 'qemu', id),
    queues,
    exact: guest !== undefined,
  }));
  return { claims, memoryPaths: memoryPaths(command), belowLibvirt: belowLibvirt(command) };
}

/** The new command line. Pure: the same call, facts, configuration and sockets give the same answer. */
export function rewrite(args: readonly string[], inputs: Inputs): Rewritten {
  const command = new Command(args);
  if (isProbe(command)) return { args: command.args(), changes: [], close: [] };
  command.append(OPTIONS_RULE, inputs.config.options);
  const netdevs = surveyNetdevs(command);
  if (netdevs.length > 0) {
    const context = { ...inputs, netdevs, memory: planMemory(command, inputs.facts, inputs.config) };
    for (const rule of RULES) rule.apply(command, context);
    checkHugepages(command, inputs.facts);
  }
  return {
    args: command.args(),
    changes: command.changes(),
    close: netdevs.flatMap((netdev) => netdev.descriptors),
  };
}
