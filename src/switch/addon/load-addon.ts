import { createRequire } from 'node:module';
import { join } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import { packageRoot } from '../../common/package.js';
import type { NativeBinding } from './native.js';
import type { Host } from '../../host/host.js';

export type LoadModule = (path: string) => unknown;

interface Attempt {
  readonly path: string;
  readonly reason: string;
  readonly hint: string;
}

const BUILD = 'npm run build';
const INSTALL = 'apt-get install dpdk && npm run build';

/** Says in our words why a module did not load, and what fixes it. */
function diagnose(path: string, error: unknown): Attempt {
  if (errnoOf(error) === 'MODULE_NOT_FOUND') return { path, reason: 'no such file, it is not built yet', hint: BUILD };
  const text = printable(messageOf(error));
  const missing = /(lib[\w.+-]+\.so[\w.]*): cannot open shared object file/.exec(text)?.[1];
  if (missing !== undefined) {
    return { path, reason: `needs ${missing} (Debian package dpdk), which is not installed`, hint: INSTALL };
  }
  if (text.includes('NODE_MODULE_VERSION')) return { path, reason: 'was built for another Node.js', hint: BUILD };
  return { path, reason: text, hint: BUILD };
}

function isBinding(loaded: unknown): loaded is NativeBinding {
  if (typeof loaded !== 'object' || loaded === null) return false;
  const binding = loaded as Partial<Record<keyof NativeBinding, unknown>>;
  const calls = [
    'lock',
    'unlock',
    'start',
    'stop',
    'addPort',
    'removePort',
    'own',
    'confine',
    'ports',
    'addUplink',
    'removeUplink',
    'uplinks',
    'macs',
    'ageMacs',
    'workers',
    'rebalance',
  ];
  return calls.every((name) => typeof binding[name as keyof NativeBinding] === 'function');
}

function attempt(path: string, load: LoadModule): NativeBinding | Attempt {
  try {
    const loaded = load(path);
    return isBinding(loaded) ? loaded : { path, reason: "is not this package's addon", hint: BUILD };
  } catch (error) {
    return diagnose(path, error);
  }
}

/**
 * Loads the native addon: VHOST_HOST_ADDON and nothing else where it is set, else the one that
 * `npm run build` made. The error lists what was tried, in order, and why each did not do.
 */
export function loadBinding(
  host: Pick<Host, 'env'>,
  load: LoadModule = createRequire(import.meta.url) as LoadModule,
): NativeBinding {
  const given = host.env('VHOST_HOST_ADDON');
  const paths = given !== undefined && given !== '' ? [given] : defaultPaths();
  const tried: Attempt[] = [];
  for (const path of paths) {
    const result = attempt(path, load);
    if (!('reason' in result)) return result;
    tried.push(result);
  }
  const list = tried.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
  // An addon that is there but does not load tells more than one that is not built.
  const decisive = tried.find(({ hint }) => hint === INSTALL) ?? tried[0];
  throw new VhostHostError('ADDON_MISSING', `cannot load the switch's native addon: tried ${list}`, {
    hint: decisive?.hint ?? BUILD,
    details: { tried: tried.map(({ path, reason }) => ({ path, reason })) },
  });
}

function defaultPaths(): readonly string[] {
  return ['Release', 'Debug'].map((kind) => join(packageRoot, 'native', 'build', kind, 'vhost_host.node'));
}
