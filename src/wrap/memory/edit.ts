import { VhostHostError } from '../../common/errors.js';
import { groupOf, newItem, withValue } from '../cmdline/argv.js';
import type { Command, Reason } from '../cmdline/command.js';
import type { Facts } from './facts.js';
import { asBoolean } from '../cmdline/option-group.js';
import type { Value } from '../cmdline/option-group.js';
import type { Place } from './hugepages.js';
import { isMovable, memoryObjects } from './plan.js';
import type { MemoryPlan } from './plan.js';
import { printSize } from '../cmdline/qemu-size.js';
import { printKeys } from '../cmdline/parse-group.js';
import { freeId } from '../cmdline/free-id.js';

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

/** Properties of an object whose memory comes from `place`; none for ordinary pages. */
function propertiesOf(place: Place | undefined): Record<string, string> {
  if (place === undefined) return {};
  if (place.dir !== undefined) return { 'mem-path': place.dir, ...PREALLOC };
  return { hugetlb: 'on', hugetlbsize: printSize(place.pageSize), ...PREALLOC };
}

/** A memfd needs no mount and no permission; a hugetlbfs is taken where one was named. */
function typeFor(place: Place | undefined): string {
  return place?.dir === undefined ? 'memory-backend-memfd' : 'memory-backend-file';
}

/** `-m` alone, or with `-mem-path`: an object for the guest's memory, and the machine told to use it. */
export function addBackend(command: Command, reason: Reason, memory: MemoryPlan, facts: Facts): void {
  if (!memory.legacy) return;
  const { memPath, place } = memory;
  const properties = memPath === undefined ? propertiesOf(place) : placeOf(memPath, facts);
  const id = freeId(command, 'object', 'vhost-host-ram');
  const type = memPath === undefined ? typeFor(place) : 'memory-backend-file';
  const asked = command.has('mem-prealloc') ? PREALLOC : {};
  const object = newItem(
    'object',
    printKeys(type, { id, size: printSize(memory.size), share: 'on', ...properties, ...asked }),
  );
  // An option of the call rather than one of a file, which then can stay; QEMU puts all of them together.
  const machine = command.options('machine').findLast((item) => item.within === undefined);
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

/** Private anonymous memory has no descriptor to hand to the switch. */
export function giveRamADescriptor(command: Command, reason: Reason, { shared, place }: MemoryPlan): void {
  for (const item of memoryObjects(command)) {
    let group = groupOf(item);
    if (group.get('qom-type') !== 'memory-backend-ram') continue;
    const taken = isMovable(command, group) ? place : undefined;
    if (!shared && taken === undefined) continue;
    group = group.set('qom-type', typeFor(taken)).set('share', true);
    for (const [key, value] of Object.entries(propertiesOf(taken))) {
      group = group.set(key, group.form === 'json' ? jsonValue(key, value, taken) : value);
    }
    command.replace(reason, item, [withValue(item, group)]);
  }
}

/** JSON has types: libvirt's objects carry sizes as numbers and switches as booleans. */
function jsonValue(key: string, text: string, place: Place | undefined): Value {
  if (key === 'hugetlbsize') return place?.pageSize ?? text;
  return text === 'on' ? true : text;
}

/** A file is mapped privately unless told otherwise, a memfd shared. */
export function shareMemory(command: Command, reason: Reason, { shared }: MemoryPlan): void {
  if (!shared) return;
  for (const item of memoryObjects(command)) {
    const group = groupOf(item);
    const byDefault = group.get('qom-type') === 'memory-backend-memfd';
    if (asBoolean(group.get('share')) ?? byDefault) continue;
    command.replace(reason, item, [withValue(item, group.set('share', true))]);
  }
}
