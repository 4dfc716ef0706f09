import { writeFile } from 'node:fs/promises';
import { bin, tempDir } from '../../helpers/paths.js';
import type { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { median } from '../report/summary.js';
import type { Table } from '../report/table.js';
import { timeOf, withoutNodeVariables } from './timed-call.js';
import type { Call } from './timed-call.js';

/**
 * `npm run bench -- --wrap`: what qemu-wrap adds to the start of a guest. The emulator is a program that ends at once;
 * each call is taken in turn with what it is measured against, so that a change of the machine's mood meets both.
 */

export interface WrapRow {
  readonly title: string;
  readonly against: string;
  /** Milliseconds: medians of `runs` starts, and the median of the differences within one turn. */
  readonly base: number;
  readonly wrapped: number;
  readonly cost: number;
  readonly runs: number;
}

interface Case {
  readonly title: string;
  readonly against: string;
  readonly base: Call;
  readonly args: readonly string[];
}

const emulator = '/bin/true';
const probe =
  '-S -no-user-config -nodefaults -nographic -machine none,accel=tcg -qmp unix:/x,server=on,wait=off -daemonize';
const plain = '-name guest=a -m 256 -netdev tap,id=hostnet0,fd=31 -device virtio-net-pci,netdev=hostnet0,id=net0';
const vhost = plain.replace('fd=31', 'fd=31,vhost=on,vhostfd=33').replace('-name guest=a ', '');

const bare: Call = { command: emulator, args: [] };

async function makeCases(dir: string): Promise<readonly Case[]> {
  const empty = `${dir}/empty.js`;
  await writeFile(empty, '');
  return [
    { title: 'a probe of libvirt', against: 'exec of the emulator', base: bare, args: probe.split(' ') },
    { title: 'a guest without vhost', against: 'exec of the emulator', base: bare, args: plain.split(' ') },
    {
      title: 'a guest with a vhost NIC',
      against: 'an empty Node program',
      base: { command: process.execPath, args: [empty] },
      args: vhost.split(' '),
    },
  ];
}

async function measure({ title, against, base, args }: Case, runs: number, vswitch: Switch): Promise<WrapRow> {
  const env = { ...withoutNodeVariables(), VHOST_HOST_RUN_DIR: vswitch.runDir, VHOST_HOST_EMULATOR: emulator };
  const pairs: { base: number; wrapped: number }[] = [];
  // One more, thrown away: it finds cold files.
  for (let run = 0; run <= runs; run++) {
    const pair = { base: await timeOf(base, env), wrapped: await timeOf({ command: bin.qemuWrap, args }, env) };
    if (run > 0) pairs.push(pair);
    for (const { name } of await vswitch.ports()) await vswitch.removePort(name);
  }
  return {
    ...{ title, against, runs },
    base: median(pairs.map((pair) => pair.base)),
    wrapped: median(pairs.map((pair) => pair.wrapped)),
    cost: median(pairs.map((pair) => pair.wrapped - pair.base)),
  };
}

export async function measureWrap(scope: Scope, runs: number): Promise<WrapRow[]> {
  const vswitch = await Switch.start(scope, { runDir: await tempDir(scope), args: ['--hugepages', 'off'] });
  const rows: WrapRow[] = [];
  for (const one of await makeCases(await tempDir(scope))) rows.push(await measure(one, runs, vswitch));
  return rows;
}

export function wrapTable(rows: readonly WrapRow[]): Table {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  return {
    head: ['start of', 'measured against', 'that', 'through qemu-wrap', 'cost', 'ratio', 'runs'],
    rows: rows.map((row) => [
      ...[row.title, row.against, ms(row.base), ms(row.wrapped), ms(row.cost)],
      ...[(row.wrapped / row.base).toFixed(2), String(row.runs)],
    ]),
  };
}
