import { strict as assert } from 'node:assert';
import { loadConfig, parseConfig } from '../../../../src/switch/config/config.js';
import { resolveSettings } from '../../../../src/switch/config/resolve-settings.js';
import { failure, fakeHost } from '../support.js';

const FILE = '/etc/x.json';

async function refusal(config: unknown): Promise<string> {
  return (await failure('CONFIG_INVALID', () => parseConfig(FILE, JSON.stringify(config)))).message;
}

describe('configuration: what is refused', () => {
  const cases: [string, unknown, string][] = [
    ['a misspelt key', { worker: [0] }, `unknown key "worker" in ${FILE}; did you mean "workers"?`],
    [
      'a misspelt key further in',
      { socket: { mod: '0600' } },
      'unknown key "socket.mod" in /etc/x.json; did you mean "mode"?',
    ],
    [
      'a misspelt key of a port',
      { ports: [{ name: 'a', queue: 1 }] },
      'unknown key "ports[0].queue" in /etc/x.json; did you mean "queues"?',
    ],
    ['a value out of range', { macAgeing: 0 }, 'macAgeing: Too small: expected number to be >=1 in /etc/x.json'],
    ['a CPU list that is none', { workers: '0,x' }, 'workers: "0,x" is not a CPU list such as 0,2-3 in /etc/x.json'],
    ['workers that are no list', { workers: 3 }, 'workers: must be CPU numbers or a text like "0,2-3" in /etc/x.json'],
    [
      'a VLAN mode that is none',
      { ports: [{ name: 'a', vlan: 'access:0' }] },
      'ports[0].vlan: must be none, auto, access:N, trunk:all or trunk:LIST such as trunk:10,20-29, with VLANs from 1 to 4094 (0: untagged frames, on a trunk) in /etc/x.json',
    ],
    [
      'a device with blanks in it',
      { uplinks: [{ name: 'a', device: 'net_tap0, iface=x' }] },
      'uplinks[0].device: must be a PCI address or a device of DPDK, such as net_tap0,iface=tap1 in /etc/x.json',
    ],
    [
      'an uplink named twice',
      {
        uplinks: [
          { name: 'a', device: 'b' },
          { name: 'a', device: 'c' },
        ],
      },
      'uplinks[1].name: "a" is named twice in /etc/x.json',
    ],
    ['a CPU named twice', { workers: [1, 1] }, 'workers: CPU 1 is named twice in /etc/x.json'],
    [
      'a relative socket',
      { ports: [{ name: 'a', socket: 'x' }] },
      'ports[0].socket: must be an absolute path in /etc/x.json',
    ],
    [
      'a port named twice',
      { ports: [{ name: 'a' }, { name: 'a' }] },
      'ports[1].name: "a" is named twice in /etc/x.json',
    ],
    [
      'a port for a group of guests',
      { ports: [{ name: 'a', mac: '01:00:5e:00:00:01' }] },
      'ports[0].mac: must be the address of one network card, such as 52:54:00:12:34:56 in /etc/x.json',
    ],
    [
      'a port without a transport',
      { ports: [{ name: 'a', transports: [] }] },
      'ports[0].transports: names at least one of "user" and "cuse" in /etc/x.json',
    ],
    [
      'a base name that leads elsewhere',
      { devBaseName: '../x' },
      'devBaseName: has 1 to 32 letters, digits, ".", "_" or "-" in /etc/x.json',
    ],
    [
      'mode bits that are no octal text',
      { socket: { mode: '999' } },
      'socket.mode: must be octal mode bits in quotes, such as "0660" in /etc/x.json',
    ],
  ];
  for (const [what, config, message] of cases) {
    it(what, async () => assert.equal(await refusal(config), message));
  }

  it('a word nobody can guess, with the known keys', async () => {
    assert.match(await refusal({ zzzzzzzz: 1 }), /unknown key "zzzzzzzz" in .*; known keys: runDir, workers, poll/);
  });

  it('several faults at once, each named', async () => {
    const message = await refusal({ worker: 1, polll: 2 });
    assert.match(message, /"worker".*"workers".*"polll".*"poll"/);
  });

  it('bad port names, unknown modes, wrong types', async () => {
    assert.match(await refusal({ ports: [{ name: '../x' }] }), /^ports\[0\]\.name: a port name has/);
    assert.match(await refusal({ poll: 'often' }), /^poll: .*"adaptive"\|"busy"/);
    assert.match(await refusal({ hugepages: true }), /^hugepages: /);
    assert.match(await refusal({ logLevel: 'loud' }), /^logLevel: /);
    assert.match(await refusal([]), /expected object.* in \/etc\/x\.json/);
  });

  it('what is not JSON, and a file that is not there', async () => {
    assert.match(
      (await failure('CONFIG_INVALID', () => parseConfig(FILE, '{'))).message,
      /^\/etc\/x\.json is not JSON: /,
    );
    const error = await failure('CONFIG_INVALID', loadConfig(fakeHost({}), '/no/such'));
    assert.equal(error.message, 'cannot read configuration /no/such: there is no such file');
  });

  it('a group that does not exist', async () => {
    const host = fakeHost({ files: { '/etc/group': 'kvm:x:107:\n' } });
    const loaded = { file: FILE, config: parseConfig(FILE, '{"socket":{"group":"nix"}}') };
    const error = await failure('CONFIG_INVALID', resolveSettings(host, loaded, {}));
    assert.equal(error.message, `socket.group: there is no group "nix" in ${FILE}`);
  });
});
