import { deepEqual, equal, notDeepEqual, rejects, throws } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { configFor, fromEnvironment, parseConfig, readConfig } from '../../../src/wrap/config/config.js';
import { DEFAULTS, KEYS, KEY_NAMES } from '../../../src/wrap/config/keys.js';
import type { Config, Key } from '../../../src/wrap/config/keys.js';
import { poolOf, wrapIn } from './support.js';

const UUID = '0b1c2d3e-0000-4000-8000-0123456789AB';
const nobody = { name: undefined, uuid: undefined };
const noEnv = (): undefined => undefined;

const refused = (text: string, message: RegExp): void => {
  throws(() => parseConfig(text, '/etc/x.json'), { code: 'CONFIG_INVALID', message });
};

describe('configuration of qemu-wrap', () => {
  it('has defaults for everything', async () => {
    deepEqual(configFor(parseConfig('{}', 'x'), nobody, noEnv), DEFAULTS);
    const none = await readConfig({ read: () => Promise.reject(new Error('nothing is read')) }, '');
    deepEqual(configFor(none, nobody, noEnv), DEFAULTS);
    equal(configFor(parseConfig('{"autostart":"off"}', 'x'), nobody, noEnv).autostart, 'off');
  });

  it('tells what a misspelt key was meant to be', () => {
    refused('{"emulater":"/usr/bin/q"}', /^\/etc\/x\.json: unknown key "emulater"; did you mean "emulator"\?$/);
    refused('{"hugepage":"on"}', /did you mean "hugepages"\?/);
    refused('{"domain":{}}', /did you mean "domains"\?/);
    refused('{"colour":1}', /unknown key "colour"; known are emulator, .*, domains$/);
    refused(
      '{"domains":{"web":{"hugpages":"on"}}}',
      /x\.json: domain "web": unknown key "hugpages"; did you mean "huge/,
    );
  });

  const values: Readonly<Record<Key, { good: unknown[]; bad: unknown[]; reason: RegExp }>> = {
    emulator: { good: ['/usr/bin/q'], bad: ['qemu', 3], reason: /must be an absolute path$/ },
    runDir: { good: ['/run/x'], bad: ['x', null], reason: /must be an absolute path$/ },
    autostart: { good: ['auto', 'on', 'off'], bad: [true, 'yes'], reason: /must be one of auto, on, off$/ },
    transport: { good: ['auto', 'user', 'cuse'], bad: ['tap'], reason: /must be one of auto, user, cuse$/ },
    device: {
      good: ['/dev/usvhost-1', '/dev/a-b.c'],
      bad: ['usvhost', '/tmp/x', '/dev/../x', '', '/dev/a b', `/dev/${'x'.repeat(70)}`],
      reason: /must be a device such as "\/dev\/usvhost-1"$/,
    },
    reconnect: {
      good: [0, 0.001, 0.1, 1, 1.005, 3600],
      bad: [-1, 0.0004, 1.0001, '1', 3600.001, 3601, null],
      reason: /must be a number of seconds from 0 to 3600, with at most three decimals$/,
    },
    hugepages: { good: ['auto', 'on', 'off'], bad: ['always'], reason: /must be one of auto, on, off$/ },
    hugepagesForAll: { good: [true, false], bad: ['on', 1], reason: /must be true or false$/ },
    hugetlbfsDir: { good: ['/mnt/huge', ['/a', '/b'], []], bad: ['x', ['/a', 'b'], {}], reason: /absolute path, or a/ },
    options: { good: [[], ['-S']], bad: ['-S', [1]], reason: /must be a list of strings, one per argument$/ },
    vhostOptions: { good: [['-boot', 'c']], bad: ['-S', {}], reason: /must be a list of strings, one per argument$/ },
  };
  for (const [key, { good, bad, reason }] of Object.entries(values)) {
    it(`takes good values of ${key} and refuses others by name`, () => {
      for (const value of good) {
        const { all } = parseConfig(JSON.stringify({ [key]: value }), 'x');
        deepEqual(all, { [key]: value });
      }
      for (const value of bad) {
        const text = JSON.stringify({ [key]: value });
        refused(text, reason);
        refused(text, new RegExp(`^/etc/x\\.json: "${key}" `));
      }
    });
  }

  it('refuses what has not its shape', () => {
    refused('[]', /one JSON object/);
    refused('{', /not JSON/);
    refused('{"domains":[]}', /"domains" must be an object with a section per domain/);
    refused('{"domains":{"web":1}}', /domain "web" must be an object/);
    refused('{"domains":{"web":{"reconnect":"x"}}}', /domain "web": "reconnect" must be a number/);
  });

  it('one wrapper has one emulator', () => {
    refused('{"domains":{"web":{"emulator":"/x"}}}', /domain "web": "emulator" cannot differ between domains/);
  });

  it('a section counts for its domain, by name or UUID, over what holds for all', () => {
    const file = parseConfig(
      JSON.stringify({
        hugepages: 'off',
        reconnect: 5,
        options: ['-a'],
        domains: { web: { hugepages: 'on', options: ['-b'] }, [UUID]: { options: ['-c'] } },
      }),
      'x',
    );
    const of = (name?: string, uuid?: string): unknown[] => {
      const { hugepages, reconnect, options } = configFor(file, { name, uuid }, noEnv);
      return [hugepages, reconnect, ...options];
    };
    deepEqual(of(), ['off', 5, '-a']);
    deepEqual(of('db'), ['off', 5, '-a']);
    deepEqual(of('web'), ['on', 5, '-b']);
    deepEqual(of('db', UUID.toLowerCase()), ['off', 5, '-c']);
    deepEqual(of('web', UUID), ['on', 5, '-c']);
  });

  it('the environment overrides everything', () => {
    const file = parseConfig('{"hugepages":"off","domains":{"web":{"reconnect":7}}}', 'x');
    const texts: Readonly<Record<string, string>> = {
      VHOST_HOST_WRAP_HUGEPAGES: 'on',
      VHOST_HOST_WRAP_RECONNECT: '0.25',
      VHOST_HOST_WRAP_HUGEPAGES_FOR_ALL: 'true',
      VHOST_HOST_WRAP_OPTIONS: '["-msg","timestamp=on"]',
      VHOST_HOST_WRAP_HUGETLBFS_DIR: '/mnt/huge',
      VHOST_HOST_WRAP_AUTOSTART: '',
    };
    deepEqual(
      configFor(file, { name: 'web', uuid: undefined }, (name) => texts[name]),
      {
        ...DEFAULTS,
        ...{ hugepages: 'on', reconnect: 0.25, hugepagesForAll: true },
        ...{ options: ['-msg', 'timestamp=on'], hugetlbfsDir: '/mnt/huge' },
      },
    );
  });

  it('a variable with a wrong value is refused by its name', () => {
    const from = (name: string, text: string) => () => fromEnvironment((asked) => (asked === name ? text : undefined));
    throws(from('VHOST_HOST_WRAP_HUGEPAGES', 'always'), {
      code: 'CONFIG_INVALID',
      message: 'VHOST_HOST_WRAP_HUGEPAGES must be one of auto, on, off',
      hint: 'unset VHOST_HOST_WRAP_HUGEPAGES',
    });
    throws(from('VHOST_HOST_WRAP_OPTIONS', '-S'), /VHOST_HOST_WRAP_OPTIONS must be a list of strings/);
    throws(from('VHOST_HOST_WRAP_OPTIONS', '["-S"'), /VHOST_HOST_WRAP_OPTIONS: not JSON/);
  });

  it('a file that was named must be there', async () => {
    const read = (): Promise<string> => Promise.reject(new Error('ENOENT'));
    await rejects(readConfig({ read }, '/etc/none.json'), {
      code: 'CONFIG_INVALID',
      message: /none\.json cannot be read: ENOENT/,
    });
  });

  it('the launcher knows which keys and variables concern calls without a vhost netdev', () => {
    const source = readFileSync('native/launch/config.c', 'utf8');
    const namesIn = (array: string): string[] => {
      const body = new RegExp(`${array}\\[\\] = \\{([^}]*)\\}`).exec(source)?.[1] ?? '';
      return [...body.matchAll(/"(\w+)"/g)].map(([, name]) => name ?? '').sort();
    };
    const loud: Key[] = ['hugepagesForAll', 'options'];
    deepEqual(namesIn('quiet_keys'), KEY_NAMES.filter((key) => !loud.includes(key)).sort());
    deepEqual(namesIn('loud_variables'), loud.map((key) => KEYS[key].env).sort());
  });
});

describe('what each key does', () => {
  const NET = ['-netdev', 'tap,id=h1,vhost=on', '-device', 'virtio-net-pci,netdev=h1', '-m', '64'];
  const planOf = (config: Partial<Config>, args = NET): string[] =>
    wrapIn(args, { pools: [poolOf(2 ** 21, 512)], config }).args.map(({ text }) => text);
  const changes = (config: Partial<Config>, args?: string[]): void =>
    notDeepEqual(planOf(config, args), planOf({}, args));

  /** `emulator` is the launcher's, `runDir`, `autostart` and `device` are the broker's: see their tests. */
  const effects: Readonly<Record<Exclude<Key, 'emulator' | 'runDir' | 'autostart' | 'device'>, () => void>> = {
    transport: () => {
      const netdev = planOf({ transport: 'cuse' }).find((text) => text.startsWith('tap,'));
      equal(netdev, 'tap,id=h1,vhost=on,vhostfd=50');
    },
    reconnect: () => {
      const socket = (reconnect: number) => planOf({ reconnect }).find((text) => text.startsWith('socket,'));
      equal(socket(0)?.includes('reconnect'), false);
      equal(socket(7)?.endsWith(',reconnect=7'), true);
    },
    hugepages: () => changes({ hugepages: 'off' }),
    hugepagesForAll: () => changes({ hugepagesForAll: true }, ['-m', '64']),
    hugetlbfsDir: () => changes({ hugetlbfsDir: '/dev/hugepages' }),
    options: () => changes({ options: ['-S'] }, ['-m', '64']),
    vhostOptions: () => {
      changes({ vhostOptions: ['-S'] });
      deepEqual(planOf({ vhostOptions: ['-S'] }, ['-m', '64']), ['-m', '64']);
    },
  };
  for (const [key, check] of Object.entries(effects)) it(key, check);

  it('a guest that has nothing to do with the switch is not bothered about its transport', () => {
    deepEqual(planOf({ transport: 'cuse' }, ['-m', '64']), ['-m', '64']);
  });
});
