import { apiDocument, configSchema } from '../switch/api/openapi.js';
import { packageVersion } from '../common/package.js';
import { DEFAULTS, KEYS, KEY_NAMES } from '../wrap/config/keys.js';

/** qemu-wrap's keys, whose values are checked by functions: name, variable and default. */
function wrapKeys(): object {
  return Object.fromEntries(KEY_NAMES.map((key) => [key, { default: DEFAULTS[key] ?? null, variable: KEYS[key].env }]));
}

/** What other programs may rely on, by the name of its file in docs/api. */
export async function documents(): Promise<Readonly<Record<string, unknown>>> {
  return {
    'openapi.json': await apiDocument(packageVersion()),
    'switch.schema.json': configSchema(),
    'qemu-wrap.keys.json': wrapKeys(),
  };
}
