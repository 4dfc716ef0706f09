import { groupOf } from './argv.js';
import type { Arg } from './argv.js';
import type { Way } from './broker.js';
import { Command } from './command.js';
import type { Change } from './command.js';
import type { GuestId } from './config.js';
import type { Config } from './config-keys.js';
import type { Facts } from './facts.js';
import { belowLibvirt, descriptorsIn, guestName, guestUuid, isEmulated, portName } from './guest.js';
import { directoriesOf } from './hugepages.js';
import { checkHugepages, memoryPaths, planMemory } from './memory.js';
import { surveyNetdevs } from './netdev.js';
import type { Netdev } from './netdev.js';
import { OPTIONS_RULE, RULES } from './rules.js';

/** A port that the guest needs from the switch. */
export interface Claim {
  readonly netdev: string;
  readonly name: string;
  readonly queues: number;
  /** Of its card, where the call says one. */
  readonly mac?: string;
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
  /** The real QEMU. */
  readonly emulator: string;
  readonly facts: Facts;
  readonly config: Config;
  /** By netdev id. */
  readonly ways: ReadonlyMap<string, Way>;
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

/** Whose section of the configuration counts. */
export function identify(args: readonly string[]): GuestId {
  const command = new Command(args);
  return { name: guestName(command), uuid: guestUuid(command) };
}

/** The call with what the configuration adds to it, and its netdevs for the switch. */
function read(args: readonly string[], config: Config): { command: Command; netdevs: Netdev[] } {
  const command = new Command(args);
  if (isProbe(command)) return { command, netdevs: [] };
  command.append(OPTIONS_RULE, config.options);
  return { command, netdevs: surveyNetdevs(command) };
}

/** Whether anything of the guest's memory is our business. */
function concernsMemory(command: Command, netdevs: readonly Netdev[], config: Config): boolean {
  return netdevs.length > 0 || (config.hugepagesForAll && !isProbe(command));
}

/** What the call asks for; throws where it cannot be given. */
export function survey(args: readonly string[], config: Config): Survey {
  const { command, netdevs } = read(args, config);
  const guest = guestName(command);
  const claims = netdevs.map(({ id, queues, mac }) => ({
    netdev: id,
    name: portName(guest ?? 'qemu', id),
    queues,
    exact: guest !== undefined,
    ...(mac === undefined ? {} : { mac }),
  }));
  const paths = concernsMemory(command, netdevs, config) ? [...memoryPaths(command), ...directoriesOf(config)] : [];
  return { claims, memoryPaths: paths, belowLibvirt: belowLibvirt(command) };
}

/** The new command line. Pure: the same call, facts, configuration and ways give the same answer. */
export function rewrite(args: readonly string[], inputs: Inputs): Rewritten {
  const { facts, config, emulator } = inputs;
  const { command, netdevs } = read(args, config);
  if (concernsMemory(command, netdevs, config)) {
    const memory = planMemory(command, facts, config, netdevs.length > 0);
    const emulated = isEmulated(command, emulator, facts.kvm);
    for (const rule of RULES) rule.apply(command, { ...inputs, netdevs, memory, emulated });
    checkHugepages(command, facts);
  }
  const named = descriptorsIn(command.args().map((arg) => arg.text));
  const unused = netdevs.flatMap((netdev) => netdev.descriptors).filter((fd) => !named.has(fd));
  return { args: command.args(), changes: command.changes(), close: unused };
}
