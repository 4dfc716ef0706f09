import { isAbsolute } from 'node:path';

/** What qemu-wrap does for one guest: the result of file, section, and environment. */
export interface Config {
  /** The real QEMU; the launcher reads this one. */
  readonly emulator?: string;
  /** Run directory of the switch to connect guests to. */
  readonly runDir?: string;
  /** Start the switch when none runs. `auto`: by hand yes, below libvirt no. */
  readonly autostart: 'auto' | 'on' | 'off';
  /** How guests reach their ports: by socket, by device, or `auto`: by what the port has, its socket first. */
  readonly transport: 'auto' | 'user' | 'cuse';
  /** The one device for all NICs, instead of the one that the switch names; `auto` takes it where it can be opened. */
  readonly device?: string;
  /** Seconds, in milliseconds' steps, after which QEMU looks again for a switch that went away; 0: never. */
  readonly reconnect: number;
  /** Hugepages for guests that do not ask for any themselves. `auto`: where enough are free. */
  readonly hugepages: 'auto' | 'on' | 'off';
  /** The same for guests without a vhost netdev. */
  readonly hugepagesForAll: boolean;
  /** Directories on a hugetlbfs to take these hugepages from; without one no mount is needed. */
  readonly hugetlbfsDir: string | readonly string[];
  /** Arguments added to every guest's call (not to libvirt's probes). */
  readonly options: readonly string[];
  /** Arguments added for guests with a vhost netdev. */
  readonly vhostOptions: readonly string[];
}

export type Key = keyof Config;

export const DEFAULTS: Config = {
  autostart: 'auto',
  transport: 'auto',
  reconnect: 0.1,
  hugepages: 'auto',
  hugepagesForAll: false,
  hugetlbfsDir: [],
  options: [],
  vhostOptions: [],
};

/** What is wrong with a value; undefined where nothing is. */
type Check = (value: unknown) => string | undefined;

interface KeyRule {
  readonly check: Check;
  /** The variable that overrides the file. */
  readonly env: string;
}

const when =
  (isGood: (value: unknown) => boolean, reason: string): Check =>
  (value) =>
    isGood(value) ? undefined : reason;
const isText = (value: unknown): value is string => typeof value === 'string';
const isPath = (value: unknown): boolean => isText(value) && isAbsolute(value);
const isListOf =
  (isElement: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(isElement);

const oneOf = (...words: string[]): Check =>
  when((value) => isText(value) && words.includes(value), `must be one of ${words.join(', ')}`);
const path = when(isPath, 'must be an absolute path');
const paths = when(
  (value) => isPath(value) || isListOf(isPath)(value),
  'must be an absolute path, or a list of such paths',
);
const words = when(isListOf(isText), 'must be a list of strings, one per argument');
const flag = when((value) => typeof value === 'boolean', 'must be true or false');
const seconds = when(
  (value) => typeof value === 'number' && value === Math.round(value * 1000) / 1000 && value >= 0 && value <= 3600,
  'must be a number of seconds from 0 to 3600, with at most three decimals',
);
const device = when(
  (value) => isText(value) && /^\/dev\/[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/.test(value),
  'must be a device such as "/dev/usvhost-1"',
);

/** By hand, not by the schema library: loading that would double the time qemu-wrap takes. */
export const KEYS: Readonly<Record<Key, KeyRule>> = {
  emulator: { check: path, env: 'VHOST_HOST_EMULATOR' },
  runDir: { check: path, env: 'VHOST_HOST_RUN_DIR' },
  autostart: { check: oneOf('auto', 'on', 'off'), env: 'VHOST_HOST_WRAP_AUTOSTART' },
  transport: { check: oneOf('auto', 'user', 'cuse'), env: 'VHOST_HOST_WRAP_TRANSPORT' },
  device: { check: device, env: 'VHOST_HOST_WRAP_DEVICE' },
  reconnect: { check: seconds, env: 'VHOST_HOST_WRAP_RECONNECT' },
  hugepages: { check: oneOf('auto', 'on', 'off'), env: 'VHOST_HOST_WRAP_HUGEPAGES' },
  hugepagesForAll: { check: flag, env: 'VHOST_HOST_WRAP_HUGEPAGES_FOR_ALL' },
  hugetlbfsDir: { check: paths, env: 'VHOST_HOST_WRAP_HUGETLBFS_DIR' },
  options: { check: words, env: 'VHOST_HOST_WRAP_OPTIONS' },
  vhostOptions: { check: words, env: 'VHOST_HOST_WRAP_VHOST_OPTIONS' },
};

export const KEY_NAMES = Object.keys(KEYS) as Key[];

export function isKey(name: string): name is Key {
  return Object.hasOwn(KEYS, name);
}
