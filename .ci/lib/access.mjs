// How this machine comes by packages, for a system that is made on it: read at run time, and never written into the clone.
import { ask } from './task.mjs';

/** Of npm's settings, those that say where packages are and how to get there; others are about this machine's Node. */
const ofNpm = /^(registry|noproxy|(https?-)?proxy|ca|cafile|strict-ssl|@[^:]+:registry)$/;
const proxies = /^(https?|no|all)_proxy$/i;
/** Those of the settings that name a file of this machine. */
export const accessFiles = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE', 'npm_config_cafile'];

/** Return: the environment for commands in that system, with nothing else of this one's. */
export async function accessSettings() {
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };
  for (const name of ['TERM', 'COLUMNS', 'NO_COLOR']) if (name in process.env) env[name] = process.env[name];
  for (const [name, value] of Object.entries(process.env))
    if (proxies.test(name) || accessFiles.includes(name)) env[name] = value;
  const settings = JSON.parse((await ask('npm', ['config', 'list', '--json'])) ?? '{}');
  for (const [name, value] of Object.entries(settings))
    if (ofNpm.test(name) && value !== null && value !== '') env[`npm_config_${name}`] = String(value);
  return env;
}

/** Return: apt's settings for its way to a mirror, as a file of its configuration. */
export async function aptSettings() {
  const dump = (await ask('apt-config', ['dump', '--no-empty', 'Acquire'])) ?? '';
  return dump.replaceAll(/^(?!Acquire::(https?|Retries)\b).*\n/gm, '');
}
