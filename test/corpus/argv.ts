import { VhostHostError } from '../../src/common/errors.js';
import { DEFAULTS } from '../../src/wrap/config/keys.js';
import type { Config } from '../../src/wrap/config/keys.js';
import type { Filesystem } from '../../src/wrap/memory/mounts.js';
import { rewrite, survey } from '../../src/wrap/rewrite.js';
import type { Rewritten } from '../../src/wrap/rewrite.js';
import { MIB } from '../../src/common/bytes.js';
import { properties, readCall } from './call.js';
import type { Call } from './call.js';
import { samples } from './files.js';
import type { Source } from './files.js';
import { Report, isClear } from './report.js';

/** Hosts and configurations that each call is planned for. */
const situations: readonly { what: string; pages: number; config: Partial<Config> }[] = [
  { what: 'without hugepages', pages: 0, config: { transport: 'user' } },
  { what: 'with hugepages', pages: 1 << 20, config: { transport: 'user' } },
  { what: 'by device', pages: 1 << 20, config: { transport: 'cuse', hugepagesForAll: true } },
];

function filesystemOf(path: string): Filesystem {
  if (/huge/i.test(path)) return { kind: 'hugetlbfs', pageSize: /1G/.test(path) ? 1024 * MIB : 2 * MIB };
  return { kind: path.startsWith('/dev/shm') ? 'memory' : 'other' };
}

function plan({ args, emulator }: Call, pages: number, changes: Partial<Config>): Rewritten {
  const config = { ...DEFAULTS, ...changes };
  const source = { args, files: new Map(), emulator, processor: 'x64', config };
  const { claims, memoryPaths } = survey(source);
  const ways = new Map(
    claims.map(({ netdev, name, queues }) => {
      const fds = Array.from({ length: queues }, (_, i) => 900 + i).join(':');
      const device = { device: '/dev/usvhost-1', fds };
      return [netdev, config.transport === 'cuse' ? device : { socket: `/run/vhost-host/port-${name}.sock` }];
    }),
  );
  const nodes = new Map(Array.from({ length: 16 }, (_, node) => [node, { free: pages, total: pages }]));
  const pool = (pageSize: number) => ({ pageSize, free: pages * 16, total: pages * 16, onDemand: 0, nodes });
  const filesystems = new Map(memoryPaths.map((path) => [path, filesystemOf(path)]));
  const pools = [pool(1024 * MIB), pool(2 * MIB)];
  const facts = { pools, defaultPageSize: 2 * MIB, filesystems, kvm: true, reconnectMs: true };
  return rewrite(source, { facts, ways });
}

const asksForVhost = (value: string): boolean => {
  const keys = properties(value);
  const type = keys.get('type') ?? keys.get('');
  const [vhost, off] = [keys.get('vhost'), ['off', 'no', 'false']];
  const wanted = vhost === undefined ? keys.has('vhostfd') || keys.has('vhostfds') : !off.includes(vhost);
  return type === 'tap' && wanted;
};

/** What may become of each option's properties; docs/wrapper says the same. */
const editable: Readonly<Record<string, RegExp>> = {
  netdev: /^(|type|chardev|queues|fds?|vhost|vhostfds?|vhostforce|ifname|script|downscript|br|helper|sndbuf|poll-us)$/,
  device: /^(vectors|csum|gso|guest_tso4|guest_tso6|guest_ecn)$/,
  object: /^(|qom-type|share|mem-path|prealloc|hugetlb|hugetlbsize)$/,
  machine: /^memory-backend$/,
};
const addable = /^-(chardev|object|machine)$/;
const droppable = /^-(mem-path|mem-prealloc)$/;

/** Properties that are not the same before and after. */
function edited(before: string, after: string): string[] {
  const [old, now] = [properties(before), properties(after)];
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => old.get(key) !== now.get(key));
}

/** What the plan did to the call beyond what is documented, told from the words alone. */
function* unasked({ args, optionOf }: Call, { args: after }: Rewritten): Generator<string> {
  const origins = after.flatMap(({ origin }) => origin ?? []);
  if (origins.some((origin, i) => i > 0 && origin <= (origins[i - 1] ?? 0))) yield 'the order of options changed';
  const kept = new Set(origins);
  for (const [i, word] of args.entries()) {
    if (!kept.has(i) && optionOf[i] === i && !droppable.test(word)) yield `lost: ${word}`;
  }
  for (const [i, { text, origin }] of after.entries()) {
    if (origin !== undefined) {
      if (args[origin] !== text) yield `another text: ${text}`;
      continue;
    }
    const option = after[i - 1];
    const place = option?.origin ?? -1;
    const replaces = place >= 0 && optionOf[place] === place && optionOf[place + 1] === place && !kept.has(place + 1);
    if (!replaces) {
      if (text.startsWith('-') && !addable.test(text)) yield `added: ${text}`;
    } else if (option !== undefined) {
      const allowed = editable[option.text.replace(/^-+/, '').replace(/^M$/, 'machine')];
      const old = args[place + 1] ?? '';
      for (const key of edited(old, text)) {
        if (allowed?.test(key) !== true) yield `${option.text}: "${key}" changed: ${old} -> ${text}`;
      }
    }
  }
}

function valuesOf(words: readonly string[], option: string): string[] {
  return words.flatMap((word, i) => (word === option ? [words[i + 1] ?? ''] : []));
}

/** A vhost netdev stays one only where its card cannot be served, and never without the device in its place. */
function* missed(call: Call, words: readonly string[], byDevice: boolean): Generator<string> {
  const cards = valuesOf(call.args, '-device').map(properties);
  const before = valuesOf(call.args, '-netdev').filter(asksForVhost);
  const after = valuesOf(words, '-netdev').map(properties);
  for (const value of before) {
    const id = properties(value).get('id');
    const card = cards.find((keys) => keys.get('netdev') === id);
    if (!/^virtio-net/.test(card?.get('driver') ?? card?.get('') ?? '')) continue;
    const now = after.find((keys) => keys.get('id') === id);
    const type = now?.get('type') ?? now?.get('');
    const served = byDevice ? /^900/.test(now?.get('vhostfd') ?? now?.get('vhostfds') ?? '') : type === 'vhost-user';
    if (!served) yield `vhost NIC ${id ?? '?'} was missed`;
  }
}

/** The same call as it would be with vhost: libvirt's tests know few of those, and many ways to make memory. */
function withVhost(call: Call): Call | undefined {
  const args = call.args.map((arg, i) => {
    if (call.args[i - 1] !== '-netdev' || !/^{"type":"(user|tap)"/.test(arg) || asksForVhost(arg)) return arg;
    const { id } = JSON.parse(arg) as { id?: string };
    return JSON.stringify({ type: 'tap', fd: '31', vhost: true, vhostfd: '32', id });
  });
  return args.every((arg, i) => arg === call.args[i]) ? undefined : { ...call, args };
}

function planAndLook(call: Call, { what, pages, config }: (typeof situations)[number], name: string, report: Report) {
  const where = `${name} (${what})`;
  try {
    const plan1 = plan(call, pages, config);
    const words = plan1.args.map(({ text }) => text);
    if (plan1.changes.length === 0) {
      const same = words.length === call.args.length && words.every((word, i) => word === call.args[i]);
      report.count('unchanged');
      if (!same) report.fault(where, 'changed without a word');
    } else report.count('rewritten');
    const byDevice = config.transport === 'cuse';
    for (const fault of [...unasked(call, plan1), ...missed(call, words, byDevice)]) report.fault(where, fault);
    // What came out must be understood as what was meant: nothing is left to do on a second look, but by device.
    const again = byDevice ? undefined : plan({ ...call, args: words }, pages, config);
    if (again !== undefined && again.changes.length > 0) {
      report.fault(where, `planned once more it changes again: ${again.changes.map(({ rule }) => rule).join(' ')}`);
    }
  } catch (error) {
    if (!(error instanceof VhostHostError)) report.fault(where, `crash: ${String((error as Error).stack)}`);
    else if (!isClear(error.message)) report.fault(where, `unclear refusal: ${error.message}`);
    else report.refuse(error.message);
  }
}

/** Every emulator call of libvirt's tests through the wrapper's planner. */
export function checkArgv(all: readonly Source[]): Report {
  const report = new Report('argv');
  for (const source of all) {
    for (const { name, text } of samples(source, /^qemuxml(2argv|conf)data$/, '.args')) {
      const call = readCall(text);
      if (call === undefined) {
        report.fault(name, 'no call of QEMU was found in it');
        continue;
      }
      report.count('calls');
      if (valuesOf(call.args, '-netdev').some(asksForVhost)) report.count('with vhost');
      for (const situation of situations) planAndLook(call, situation, name, report);
      const vhost = withVhost(call);
      if (vhost === undefined) continue;
      report.count('given vhost');
      for (const situation of situations) planAndLook(vhost, situation, `${name} given vhost`, report);
    }
  }
  return report;
}
