import { groupOf, textsOf } from './cmdline/argv.js';
import type { Arg } from './cmdline/argv.js';
import { Command } from './cmdline/command.js';
import type { Change } from './cmdline/command.js';
import type { GuestId } from './config/config.js';
import type { Config } from './config/keys.js';
import type { Facts } from './memory/facts.js';
import { asksForVhost, belowLibvirt, descriptorsIn, guestName, guestUuid, isEmulated, portName } from './guest.js';
import { directoriesOf } from './memory/hugepages.js';
import { machineOf } from './machine.js';
import type { Machine } from './machine.js';
import { checkHugepages, hugepagesBeforeLast, memoryPaths, planMemory } from './memory/plan.js';
import { surveyNetdevs } from './netdev.js';
import type { Netdev } from './netdev.js';
import { writeOutNics } from './nics.js';
import type { Files } from './cmdline/readconfig.js';
import { OPTIONS_RULE, RULES } from './rules.js';
import { applySettings } from './cmdline/set-option.js';
import type { Claim, Way } from './endpoint.js';

/** What has to be found out before a command line can be rewritten. */
export interface Survey {
  readonly claims: readonly Claim[];
  readonly memoryPaths: readonly string[];
  readonly belowLibvirt: boolean;
}

/** A call with all that it refers to. */
export interface Source {
  readonly args: readonly string[];
  /** The files of `-readconfig`, also of those in the configuration. */
  readonly files: Files;
  /** The real QEMU. */
  readonly emulator: string;
  /** Of this host, as Node calls it (`process.arch`). */
  readonly processor: string;
  readonly config: Config;
}

export interface Inputs {
  readonly facts: Facts;
  /** By netdev id. */
  readonly ways: ReadonlyMap<string, Way>;
}

export interface Rewritten {
  readonly args: readonly Arg[];
  readonly changes: readonly Change[];
  /** Lines for the user about what asks for vhost and is left to QEMU. */
  readonly remarks: readonly string[];
  /** Inherited descriptors that nothing in the new command line names. */
  readonly close: readonly number[];
  /** Where the guest takes hugepages: once it uses more than so many KiB of them, it has all that it is going to take. */
  readonly hugepagesKib: number | undefined;
}

/** libvirt asks an emulator what it can do with a machine that has nothing; that call is not a guest. */
function isProbe(command: Command): boolean {
  return command.options('machine').some((item) => groupOf(item).get('type') === 'none');
}

/** Whose section of the configuration counts. */
export function identify(args: readonly string[], files: Files): GuestId {
  const command = new Command(args, files);
  return { name: guestName(command), uuid: guestUuid(command) };
}

interface Call {
  readonly command: Command;
  readonly machine: Machine;
  /** For the switch; each is a `-netdev` with its `-device` now, however it was written. */
  readonly netdevs: readonly Netdev[];
  readonly remarks: readonly string[];
}

function commandOf({ args, files, config }: Source): Command {
  const command = new Command(args, files);
  if (!isProbe(command)) command.append(OPTIONS_RULE, config.options);
  return command;
}

/** The call with what the configuration adds to it; no other word of it is changed where it asks for no port. */
function read(source: Source): Call {
  const command = commandOf(source);
  const machine = machineOf(command, source.emulator, source.processor);
  const untouched = (remarks: readonly string[]): Call => {
    const unread = command.unread().map((path) => `-readconfig ${path} is left to QEMU: it cannot be read before`);
    return { command: commandOf(source), machine, netdevs: [], remarks: [...remarks, ...unread] };
  };
  if (isProbe(command) || !asksForVhost(command)) return untouched([]);
  applySettings(command);
  const cards = writeOutNics(command, machine);
  const { netdevs, remarks } = surveyNetdevs(command, machine);
  if (netdevs.length === 0) return untouched([...cards, ...remarks]);
  return { command, machine, netdevs, remarks: [...cards, ...remarks] };
}

/** Whether anything of the guest's memory is our business. */
function concernsMemory({ command, netdevs }: Call, config: Config): boolean {
  return netdevs.length > 0 || (config.hugepagesForAll && !isProbe(command));
}

/** What the call asks for; throws where it cannot be given. */
export function survey(source: Source): Survey {
  const call = read(source);
  const { command, netdevs } = call;
  const guest = guestName(command);
  const claims = netdevs.map(({ id, queues, mac }) => ({
    netdev: id,
    name: portName(guest ?? 'qemu', id),
    queues,
    exact: guest !== undefined,
    ...(command.has('daemonize') ? { forks: true as const } : {}),
    ...(mac === undefined ? {} : { mac }),
  }));
  const { config } = source;
  const paths = concernsMemory(call, config) ? [...memoryPaths(command), ...directoriesOf(config)] : [];
  return { claims, memoryPaths: paths, belowLibvirt: belowLibvirt(command) };
}

/** The new command line. Pure: the same call, facts, configuration and ways give the same answer. */
export function rewrite(source: Source, inputs: Inputs): Rewritten {
  const { config, emulator } = source;
  const { facts } = inputs;
  const call = read(source);
  const { command, machine, netdevs, remarks } = call;
  let hugepagesKib: number | undefined;
  if (concernsMemory(call, config)) {
    const memory = planMemory(command, facts, config, { shared: netdevs.length > 0, machine });
    const emulated = isEmulated(command, emulator, facts.kvm);
    for (const rule of RULES) rule.apply(command, { ...inputs, config, netdevs, machine, memory, emulated });
    checkHugepages(command, facts);
    hugepagesKib = hugepagesBeforeLast(command, facts);
  }
  const named = descriptorsIn(textsOf(command.all()));
  const unused = netdevs.flatMap((netdev) => netdev.descriptors).filter((fd) => !named.has(fd));
  return { args: command.args(), changes: command.changes(), remarks, close: unused, hugepagesKib };
}
