import { VhostHostError, messageOf, printable } from '../../common/errors.js';
import { nearest } from '../../common/suggest.js';
import { DEFAULTS, KEYS, KEY_NAMES, isKey } from './keys.js';
import type { Config } from './keys.js';
import type { Host } from '../../host/host.js';

/**
 * qemu-wrap's configuration: a JSON file in which every key is optional, sections for single domains in
 * it, and environment variables. The launcher reads the same file for `emulator` (native/launch/config.c).
 */

type Section = Partial<Config>;

/** The file as it was checked. */
export interface ConfigFile {
  readonly path: string;
  readonly all: Section;
  /** By libvirt domain name, or UUID in lower case. */
  readonly domains: ReadonlyMap<string, Section>;
}

/** Whom the configuration is asked for. */
export interface GuestId {
  readonly name: string | undefined;
  readonly uuid: string | undefined;
}

const DOMAINS = 'domains';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function invalid(message: string, hint: string, cause?: unknown): VhostHostError {
  return new VhostHostError('CONFIG_INVALID', message, { hint, cause });
}

function unknownKey(where: string, key: string, known: readonly string[], hint: string): VhostHostError {
  const meant = nearest(key, known);
  const help = meant === undefined ? `known are ${known.join(', ')}` : `did you mean "${meant}"?`;
  return invalid(`${where}: unknown key "${printable(key)}"; ${help}`, hint);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws where a key is not known or its value is wrong; `where` is for the message. */
function checkKeys(section: Record<string, unknown>, where: string, known: readonly string[], hint: string): Section {
  for (const [key, value] of Object.entries(section)) {
    if (!isKey(key) || !known.includes(key)) throw unknownKey(where, key, known, hint);
    const reason = KEYS[key].check(value);
    if (reason !== undefined) throw invalid(`${where}: "${key}" ${reason}`, hint);
  }
  return section;
}

function checkDomains(value: unknown, path: string, hint: string): Map<string, Section> {
  if (!isObject(value)) throw invalid(`${path}: "${DOMAINS}" must be an object with a section per domain`, hint);
  const known = KEY_NAMES.filter((key) => key !== 'emulator');
  const domains = new Map<string, Section>();
  for (const [name, section] of Object.entries(value)) {
    const where = `${path}: domain "${printable(name)}"`;
    if (!isObject(section)) throw invalid(`${where} must be an object`, hint);
    // libvirt asks the wrapper once what "the" emulator can do, for all domains that use it.
    if ('emulator' in section) {
      throw invalid(
        `${where}: "emulator" cannot differ between domains of one wrapper`,
        'ln -s qemu-wrap qemu-wrap-ARCHITECTURE beside qemu-wrap, and name that in the domain',
      );
    }
    domains.set(UUID.test(name) ? name.toLowerCase() : name, checkKeys(section, where, known, hint));
  }
  return domains;
}

/** Checks the text of a configuration file; `path` is for the messages. */
export function parseConfig(text: string, path: string): ConfigFile {
  const hint = `edit ${path}`;
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw invalid(`${path}: not JSON: ${printable(messageOf(error))}`, hint);
  }
  if (!isObject(raw)) throw invalid(`${path}: must be one JSON object`, hint);
  const { [DOMAINS]: domains = {}, ...all } = raw;
  for (const key of Object.keys(all)) {
    if (!isKey(key)) throw unknownKey(path, key, [...KEY_NAMES, DOMAINS], hint);
  }
  return { path, all: checkKeys(all, path, KEY_NAMES, hint), domains: checkDomains(domains, path, hint) };
}

/** The file at `path`; an empty one where the launcher found none (an empty path). */
export function readConfig(host: Pick<Host, 'read'>, path: string): Promise<ConfigFile> {
  if (path === '') return Promise.resolve({ path, all: {}, domains: new Map() });
  return host.read(path).then(
    (text) => parseConfig(text, path),
    (error: unknown) => {
      const hint = 'correct VHOST_HOST_WRAP_CONFIG, or make the file readable for the user that runs QEMU';
      throw invalid(`${path} cannot be read: ${printable(messageOf(error))}`, hint, error);
    },
  );
}

/** A variable's text: a list, a truth value and a number are written as in the file, everything else bare. */
function fromVariable(text: string, name: string): unknown {
  if (!/^(\[.*|true|false|\d+(\.\d+)?)$/s.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${name}: not JSON: ${printable(messageOf(error))}`, `unset ${name}`);
  }
}

/** What the environment says; an empty variable says nothing. */
export function fromEnvironment(env: (name: string) => string | undefined): Section {
  const section: Record<string, unknown> = {};
  for (const key of KEY_NAMES) {
    const { env: name, check } = KEYS[key];
    const text = env(name);
    // The launcher has judged the emulator; a run directory may be relative to where the caller stands.
    if (text === undefined || text === '' || key === 'emulator' || key === 'runDir') continue;
    const value = fromVariable(text, name);
    const reason = check(value);
    if (reason !== undefined) throw invalid(`${name} ${reason}`, `unset ${name}`);
    section[key] = value;
  }
  return section;
}

/** Defaults < file < section by name < section by UUID < environment. A list replaces the list below it. */
export function configFor(file: ConfigFile, guest: GuestId, env: (name: string) => string | undefined): Config {
  const named = guest.name === undefined ? undefined : file.domains.get(guest.name);
  const numbered = guest.uuid === undefined ? undefined : file.domains.get(guest.uuid.toLowerCase());
  return { ...DEFAULTS, ...file.all, ...named, ...numbered, ...fromEnvironment(env) };
}
