import * as z from 'zod';
import { DEFAULTS, KEYS, KEY_NAMES } from '../../wrap/config/keys.js';
import type { Key } from '../../wrap/config/keys.js';
import { KEY_TEXTS } from './wrap.js';

/**
 * qemu-wrap's configuration as JSON Schema. The wrapper itself checks by hand (`src/wrap/config/keys.ts`), since it
 * cannot wait for zod to load; a test holds the two against each other.
 */

const AbsolutePath = z.string().regex(/^\//, 'must be an absolute path');
const Words = z.array(z.string());
const Mode = z.enum(['auto', 'on', 'off']);

const SHAPES: Readonly<Record<Key, z.ZodType>> = {
  emulator: AbsolutePath,
  runDir: AbsolutePath,
  autostart: Mode,
  transport: z.enum(['auto', 'user', 'cuse']),
  device: z.string().regex(/^\/dev\/[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/),
  reconnect: z.number().min(0).max(3600),
  hugepages: Mode,
  hugepagesForAll: z.boolean(),
  hugetlbfsDir: z.union([AbsolutePath, z.array(AbsolutePath)]),
  options: Words,
  vhostOptions: Words,
};

function described(key: Key): z.ZodType {
  const preset = DEFAULTS[key];
  const shape = SHAPES[key].meta({
    description: `${KEY_TEXTS[key]} Variable: ${KEYS[key].env}.`,
    ...(preset === undefined ? {} : { default: preset }),
  });
  return shape.optional();
}

function section(keys: readonly Key[]): Record<string, z.ZodType> {
  return Object.fromEntries(keys.map((key) => [key, described(key)]));
}

export function wrapSchema(): object {
  const domain = z.strictObject(section(KEY_NAMES.filter((key) => key !== 'emulator')));
  const domains = z.record(z.string(), domain).meta({
    description: 'Sections for single domains, by their name or UUID; each wins over the keys outside.',
  });
  const file = z.strictObject({ ...section(KEY_NAMES), domains: domains.optional() });
  return z.toJSONSchema(file.meta({ title: 'Configuration of qemu-wrap' }), { io: 'input' });
}
