import { poolDirectory } from '../../host/kernel/hugepages.js';
import type { HugepagePool } from '../../host/kernel/hugepages.js';
import { MIB, sizeText } from '../../common/bytes.js';
import { info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';

/** The system as such. */

function system({ host }: Subject): Outcome[] {
  const { distribution, kernel } = host.system;
  if (kernel === undefined) return [info(`${distribution.title}, which does not run: only its files are looked at`)];
  return [ok(`${distribution.title}, kernel ${kernel}`)];
}

/** Below this the kernel soon has to kill somebody. */
const FLOOR = 512 * MIB;

const inMib = (bytes: number): string => sizeText(Math.floor(bytes / MIB) * MIB);

/** Gives back what nobody uses. */
function shrinkCommand({ pageSize, total, free }: HugepagePool): string {
  return `echo ${total - free} | sudo tee ${poolDirectory(pageSize)}/nr_hugepages`;
}

function freeMemory({ host }: Subject): Outcome[] {
  const { total, available } = host.system.memory;
  if (total === 0) return [];
  const said = `${inMib(available)} of ${inMib(total)} available`;
  const spare = host.pools.pools.find(({ free }) => free > 0);
  const fix = spare === undefined ? 'ps -eo rss,comm --sort=-rss | head' : shrinkCommand(spare);
  return [available < FLOOR ? warning(`${said}: the host itself may starve`, fix) : ok(said)];
}

function unreadable({ host }: Subject): Outcome[] {
  const [first, ...more] = host.denied;
  if (first === undefined) return [];
  const others = more.length === 0 ? '' : ` and ${more.length} more`;
  return [info(`${first}${others} could not be read, so not everything is checked`, 'sudo vhost-host check')];
}

export const SYSTEM_CHECKS: readonly Check[] = [
  { id: 'system', title: 'system', group: 'system', live: false, states: ['ok', 'info'], run: system },
  { id: 'memory-free', title: 'free memory', group: 'system', live: true, states: ['ok', 'warning'], run: freeMemory },
  { id: 'unreadable', title: 'all can be read', group: 'system', live: false, states: ['info'], run: unreadable },
];
