import { VhostHostError } from '../../common/errors.js';
import { newItem, parseArgv, valueOf } from './argv.js';
import type { Item } from './argv.js';
import type { Host } from '../../host/host.js';

/**
 * Files of `-readconfig`: the same options in another form, `[device "net0"]` with a line for each property
 * (qemu_config_foreach() in QEMU's util/qemu-config.c).
 */

/** Text by the path that a call names; a file that is missing here could not be read. */
export type Files = ReadonlyMap<string, string>;

export const NO_FILES: Files = new Map();

/** One section of a file. */
export interface Section {
  readonly line: number;
  readonly group: string;
  /** The option that says the very same; undefined where none does, or none that we know. */
  readonly item: Item | undefined;
}

/**
 * Groups whose option means the same wherever it stands. Not those that QEMU acts upon only on the command line
 * (smbios, icount, overcommit, …) or that take a default from the guest there (mon, vnc, spice).
 */
const OPTIONS = new Map(
  Object.entries({
    accel: 'accel',
    'add-fd': 'add-fd',
    'boot-opts': 'boot',
    chardev: 'chardev',
    device: 'device',
    drive: 'drive',
    fsdev: 'fsdev',
    fw_cfg: 'fw_cfg',
    global: 'global',
    iscsi: 'iscsi',
    machine: 'machine',
    memory: 'm',
    name: 'name',
    net: 'net',
    netdev: 'netdev',
    nic: 'nic',
    numa: 'numa',
    object: 'object',
    rtc: 'rtc',
    sandbox: 'sandbox',
    'smp-opts': 'smp',
  }),
);

/** Groups that can stand on a command line, for messages and tests. */
export const GROUPS: readonly string[] = [...OPTIONS.keys()];

const HEAD = /^\[([^\]\s]{1,63}) "([^"]{1,63})"\]|^\[([^\]]{1,63})\]/;
const PROPERTY = /^\s*(\S{1,63})\s*=\s*"([^"]{1,1023})"/;
const BARE = /^\s*(\S{1,63})/;
const MAX_BYTES = 2 ** 20;

function unreadable(path: string, line: number, what: string): VhostHostError {
  return new VhostHostError('ARGV_INVALID', `${path}:${line}: ${what}`, { hint: `edit ${path}` });
}

interface Draft {
  readonly line: number;
  readonly group: string;
  readonly pairs: Map<string, string>;
}

function itemOf({ group, pairs }: Draft, within: Item): Item | undefined {
  const option = OPTIONS.get(group);
  if (option === undefined) return undefined;
  const text = [...pairs].map(([key, value]) => `${key}=${value.replaceAll(',', ',,')}`).join(',');
  return { ...newItem(option, text), within };
}

/** Takes a file apart as QEMU does; `within` is the option that names it. Throws where QEMU would refuse it. */
export function parseSections(text: string, within: Item): Section[] {
  const drafts: Draft[] = [];
  const path = valueOf(within);
  for (const [index, line] of text.replace(/\n$/, '').split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const head = HEAD.exec(line);
    if (head !== null) {
      const [, named, id, alone] = head;
      const pairs = new Map(id === undefined ? [] : [['id', id]]);
      drafts.push({ line: index + 1, group: named ?? alone ?? '', pairs });
      continue;
    }
    const property = PROPERTY.exec(line) ?? BARE.exec(line);
    if (property === null) throw unreadable(path, index + 1, 'QEMU cannot read a line of blanks');
    const draft = drafts.at(-1);
    if (draft === undefined) throw unreadable(path, index + 1, 'there is no [group] before this line');
    draft.pairs.set(property[1] ?? '', property[2] ?? '');
  }
  const said = drafts.filter(({ pairs }) => pairs.size > 0);
  return said.map((draft) => ({ line: draft.line, group: draft.group, item: itemOf(draft, within) }));
}

/** The files that `args` name. Only regular ones: what else QEMU may read can be read once, or has a number there only. */
export async function readFiles(host: Pick<Host, 'read' | 'stat'>, args: readonly string[]): Promise<Files> {
  const files = new Map<string, string>();
  for (const item of parseArgv(args)) {
    const path = valueOf(item);
    if (item.name !== 'readconfig' || files.has(path)) continue;
    const stat = await host.stat(path).catch(() => undefined);
    if (stat?.kind !== 'file' || stat.size > MAX_BYTES) continue;
    const text = await host.read(path).catch(() => undefined);
    if (text !== undefined) files.set(path, text);
  }
  return files;
}
