import { VhostHostError } from '../errors.js';
import { groupOf, newItem, withValue } from './argv.js';
import type { Command, Reason } from './command.js';
import type { Facts } from './facts.js';
import { asBoolean, printKeys } from './group.js';
import { isMovable, memoryObjects } from './memory.js';
import type { MemoryPlan } from './memory.js';
import { freeId } from './netdev.js';
import { printSize } from './size.js';

const PREALLOC = { prealloc: 'on' };

/** Where the old recipe wanted the memory. An ordinary directory would pass with QEMU and be slow without a word. */
function placeOf(memPath: string, facts: Facts): Record<string, string> {
  const kind = facts.filesystems.get(memPath)?.kind ?? 'missing';
  if (kind === 'hugetlbfs') return { 'mem-path': memPath, ...PREALLOC };
  if (kind === 'memory') return { 'mem-path': memPath };
  const reason = kind === 'missing' ? 'does not exist' : 'is not on a hugetlbfs';
  throw new VhostHostError('MEMORY_UNUSABLE', `-mem-path ${memPath} ${reason}`, {
    hint: `mkdir -p ${memPath} && mount -t hugetlbfs nodev ${memPath}, or leave -mem-path out`,
    details: { path: memPath },
  });
}

function hugetlb(pageSize: number | undefined): Record<string, string> {
  return pageSize === undefined ? {} : { hugetlb: 'on', hugetlbsize: printSize(pageSize), ...PREALLOC };
}

/** `-m` alone, or with `-mem-path`: an object for the guest's memory, and the machine told to use it. */
export function addBackend(command: Command, reason: Reason, memory: MemoryPlan, facts: Facts): void {
  if (!memory.legacy) return;
  const { memPath } = memory;
  const place = memPath === undefined ? hugetlb(memory.pageSize) : placeOf(memPath, facts);
  const id = freeId(command, 'object', 'vhost-host-ram');
  const type = memPath === undefined ? 'memory-backend-memfd' : 'memory-backend-file';
  const asked = command.has('mem-prealloc') ? PREALLOC : {};
  const object = newItem(
    'object',
    printKeys(type, { id, size: printSize(memory.size), share: 'on', ...place, ...asked }),
  );
  const machine = command.options('machine').at(-1);
  if (machine === undefined) {
    command.prepend(reason, [object, newItem('machine', `memory-backend=${id}`)]);
  } else {
    command.replace(reason, machine, [object, withValue(machine, groupOf(machine).set('memory-backend', id))]);
  }
}

/** QEMU refuses `-mem-path` beside `memory-backend=`; both options are in the new object now. */
export function dropOldOptions(command: Command, reason: Reason, memory: MemoryPlan): void {
  if (!memory.legacy) return;
  for (const item of [...command.options('mem-path'), ...command.options('mem-prealloc')]) {
    command.replace(reason, item, []);
  }
}

/** Private anonymous memory has no descriptor to hand to the switch; a memfd has, and needs no mount and no right. */
export function ramToMemfd(command: Command, reason: Reason, memory: MemoryPlan): void {
  for (const item of memoryObjects(command)) {
    let group = groupOf(item);
    if (group.get('qom-type') !== 'memory-backend-ram') continue;
    const { pageSize } = memory;
    const huge = pageSize !== undefined && isMovable(group);
    group = group.set('qom-type', 'memory-backend-memfd').set('share', true);
    if (huge) {
      const size = group.form === 'json' ? pageSize : printSize(pageSize);
      group = group.set('hugetlb', true).set('hugetlbsize', size).set('prealloc', true);
    }
    command.replace(reason, item, [withValue(item, group)]);
  }
}

/** A file is mapped privately unless told otherwise, a memfd shared. */
export function shareMemory(command: Command, reason: Reason): void {
  for (const item of memoryObjects(command)) {
    const group = groupOf(item);
    const byDefault = group.get('qom-type') === 'memory-backend-memfd';
    if (asBoolean(group.get('share')) ?? byDefault) continue;
    command.replace(reason, item, [withValue(item, group.set('share', true))]);
  }
}
