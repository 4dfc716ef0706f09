import { VhostHostError } from '../../common/errors.js';
import { findSetting } from './parse.js';
import type { Setting, Value } from './parse.js';

/** Edits of qemu.conf by splices: all other lines, comments and odd habits stay byte for byte. */

const ACL = 'cgroup_device_acl';

type List = Extract<Value, { kind: 'list' }>;

function splice(text: string, at: number, to: number, inserted: string): string {
  return text.slice(0, at) + inserted + text.slice(to);
}

/**
 * The file with these devices allowed to guests. A list that is set keeps what it has and gets what it
 * lacks; where none is set, what this libvirt has built in is spelt out first, since setting the list replaces it.
 */
export function allowDevices(
  text: string,
  path: string,
  devices: readonly string[],
  builtin: readonly string[],
): string {
  const setting = findSetting(text, path, ACL);
  if (setting === undefined) return devices.length === 0 ? text : insertAcl(text, devices, builtin);
  const list = asList(setting, path);
  const missing = devices.filter((device) => !list.items.some(({ value }) => value === device));
  return missing.length === 0 ? text : extendList(text, list, missing);
}

/** A list with one more item where it is set without it; a list that is not set is set to `otherwise`. */
export function extendSetting(text: string, path: string, name: string, item: string, otherwise: string[]): string {
  const setting = findSetting(text, path, name);
  if (setting === undefined) return setSetting(text, path, name, `[ ${otherwise.map(quote).join(', ')} ]`);
  const list = asList(setting, path);
  return list.items.some(({ value }) => value === item) ? text : extendList(text, list, [item]);
}

/** What the file allows now; undefined where it leaves that to libvirt. */
export function allowedDevices(text: string, path: string): string[] | undefined {
  const setting = findSetting(text, path, ACL);
  return setting === undefined ? undefined : asList(setting, path).items.map(({ value }) => value);
}

function asList({ name, value }: Setting, path: string): List {
  if (value.kind === 'list') return value;
  throw new VhostHostError('CONFIG_INVALID', `${path}: ${name} is a ${value.kind}, libvirt wants a list`, {
    hint: `edit ${path}`,
  });
}

function quote(value: string): string {
  return `"${value}"`;
}

/** Adds behind the last item, in the list's own manner: lines or not, comma at the end or not. */
function extendList(text: string, list: List, added: readonly string[]): string {
  const last = list.items.at(-1);
  if (last === undefined) return splice(text, list.start, list.end, `[ ${added.map(quote).join(', ')} ]`);
  const lineStart = text.lastIndexOf('\n', last.start) + 1;
  const indent = lineStart > list.start ? (/^[ \t]*/.exec(text.slice(lineStart))?.[0] ?? '') : undefined;
  const separator = indent === undefined ? ' ' : `\n${indent}`;
  if (list.trailingComma !== undefined) {
    const tail = added.map((device) => `${separator}${quote(device)},`).join('');
    return splice(text, list.trailingComma, list.trailingComma, tail);
  }
  return splice(text, last.end, last.end, added.map((device) => `,${separator}${quote(device)}`).join(''));
}

/**
 * The shipped file has the defaults as a commented example: the list is set below it, in its own words, with what a
 * file that was kept since an older version lacks.
 */
function insertAcl(text: string, devices: readonly string[], builtin: readonly string[]): string {
  const example = /^#cgroup_device_acl = \[\n(?:#.*\n)*?#\]\n/m.exec(text);
  const body = example === null ? '' : example[0].replace(/^#/gm, '').replace(/,?\s*\n\]\n$/, '');
  const missing = [...builtin, ...devices].filter((device) => !body.includes(quote(device)));
  const added = missing.map((device) => `    ${quote(device)}`);
  if (example === null) return append(text, `${ACL} = [\n${added.join(',\n')}\n]\n`);
  const end = example.index + example[0].length;
  return splice(text, end, end, `${[body, ...added].join(',\n')}\n]\n`);
}

/** Sets a setting: in its place where it stands, else below the line that has it commented out, else at the end. */
export function setSetting(text: string, path: string, name: string, value: string): string {
  const setting = findSetting(text, path, name);
  if (setting !== undefined) {
    const { start, end } = setting.value;
    const now = setting.value.kind === 'string' ? quote(setting.value.value) : text.slice(start, end);
    return now === value ? text : splice(text, start, end, value);
  }
  const line = `${name} = ${value}\n`;
  const example = new RegExp(`^#${name} =.*\n`, 'm').exec(text);
  if (example === null) return append(text, line);
  const end = example.index + example[0].length;
  return splice(text, end, end, line);
}

function append(text: string, lines: string): string {
  return text === '' || text.endsWith('\n') ? text + lines : `${text}\n${lines}`;
}
