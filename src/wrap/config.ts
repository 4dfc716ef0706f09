import { isAbsolute } from 'node:path';
import { VhostHostError, messageOf, printable } from '../errors.js';
import type { Host } from '../host.js';

/** qemu-wrap's configuration file: JSON, every key optional. */
export interface Config {
  /** The real QEMU; the launcher reads this one. */
  readonly emulator?: string;
  /** Run directory of the switch to connect guests to. */
  readonly runDir?: string;
  /** Start the switch when none runs. `auto`: by hand yes, below libvirt no. */
  readonly autostart: 'auto' | 'on' | 'off';
  /** Hugepages for guests that do not ask for any themselves. `auto`: where enough are free. */
  readonly hugepages: 'auto' | 'on' | 'off';
  /** Arguments added to every guest's call (not to libvirt's probes). */
  readonly options: readonly string[];
  /** Arguments added for guests with a vhost netdev. */
  readonly vhostOptions: readonly string[];
}

export const DEFAULTS: Config = { autostart: 'auto', hugepages: 'auto', options: [], vhostOptions: [] };

type Check = (value: unknown) => string | undefined;

const absolutePath: Check = (value) =>
  typeof value === 'string' && isAbsolute(value) ? undefined : 'must be an absolute path';
const oneOf =
  (...words: string[]): Check =>
  (value) =>
    typeof value === 'string' && words.includes(value) ? undefined : `must be one of ${words.join(', ')}`;
const strings: Check = (value) =>
  Array.isArray(value) && value.every((element) => typeof element === 'string')
    ? undefined
    : 'must be a list of strings, one per argument';

// By hand, not by the schema library: loading that would double the time this command takes.
const CHECKS: Readonly<Record<keyof Config, Check>> = {
  emulator: absolutePath,
  runDir: absolutePath,
  autostart: oneOf('auto', 'on', 'off'),
  hugepages: oneOf('auto', 'on', 'off'),
  options: strings,
  vhostOptions: strings,
};

function isKey(name: string): name is keyof Config {
  return Object.hasOwn(CHECKS, name);
}

/** Checks the text of a configuration file; `path` is for the messages. */
export function parseConfig(text: string, path: string): Config {
  const refuse = (reason: string): never => {
    throw new VhostHostError('CONFIG_INVALID', `${path}: ${reason}`, { hint: `edit ${path}` });
  };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return refuse(`not JSON: ${printable(messageOf(error))}`);
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return refuse('must be one JSON object');
  for (const [key, value] of Object.entries(raw)) {
    if (!isKey(key)) return refuse(`unknown key "${key}"; known are ${Object.keys(CHECKS).join(', ')}`);
    const reason = CHECKS[key](value);
    if (reason !== undefined) return refuse(`"${key}" ${reason}`);
  }
  return { ...DEFAULTS, ...(raw as Partial<Config>) };
}

/** The configuration at `path`; the defaults where the launcher found no file (an empty path). */
export async function readConfig(host: Host, path: string): Promise<Config> {
  if (path === '') return DEFAULTS;
  try {
    return parseConfig(await host.read(path), path);
  } catch (error) {
    if (error instanceof VhostHostError) throw error;
    throw new VhostHostError('CONFIG_INVALID', `${path} cannot be read: ${printable(messageOf(error))}`, {
      hint: 'correct VHOST_HOST_WRAP_CONFIG, or make the file readable for the user that runs QEMU',
      cause: error,
    });
  }
}
