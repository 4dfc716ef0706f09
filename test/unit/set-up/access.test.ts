import { deepEqual, doesNotMatch, equal } from 'node:assert/strict';
import { root } from '../../helpers/paths.js';

interface Access {
  readonly accessSettings: () => Promise<Readonly<Record<string, string>>>;
  readonly aptSettings: () => Promise<string>;
}

const { accessSettings, aptSettings } = (await import(`${root}.ci/lib/access.mjs`)) as Access;

describe('the Debian 13 of the tests gets at packages as this machine does', () => {
  const before = { ...process.env };
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, before);
  });

  it('by its proxies, certificates and registry, and with nothing else of its environment', async () => {
    Object.assign(process.env, {
      https_proxy: 'http://proxy.example:3128',
      NO_PROXY: 'localhost',
      NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
      npm_config_registry: 'https://npm.example/',
      npm_config_nodedir: '/usr/local',
      NODE_OPTIONS: '--no-warnings',
      LD_PRELOAD: '',
    });
    const env = await accessSettings();
    equal(env['https_proxy'], 'http://proxy.example:3128');
    equal(env['NO_PROXY'], 'localhost');
    equal(env['NODE_EXTRA_CA_CERTS'], '/etc/ssl/certs/ca-certificates.crt');
    equal(env['npm_config_registry'], 'https://npm.example/');
    equal(env['HOME'], '/root');
    const others = ['npm_config_nodedir', 'NODE_OPTIONS', 'LD_PRELOAD', 'npm_config_prefix', 'npm_config_userconfig'];
    deepEqual(
      others.filter((name) => name in env),
      [],
    );
  });

  it("by apt's own settings for the way, and by none for what else apt does", async () => {
    doesNotMatch(await aptSettings(), /^(?!Acquire::(https?|Retries)\b)./m);
  });
});
