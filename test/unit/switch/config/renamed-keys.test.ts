import { strict as assert } from 'node:assert';
import { loadConfig, parseConfig } from '../../../../src/switch/config/config.js';
import { failure, fakeHost } from '../support.js';

const FILE = '/etc/x.json';
const WARNING = `${FILE}: "strays" of uplinks is called "unknownUnicast" now; the next release does not know the old name any more`;
const uplink = (name: string, more: object): object => ({ name, device: 'net_null0', ...more });

function parse(config: unknown): { uplinks: unknown; warnings: string[] } {
  const warnings: string[] = [];
  const { uplinks } = parseConfig(FILE, JSON.stringify(config), (line) => void warnings.push(line));
  return { uplinks, warnings };
}

describe('configuration: the old name of a key', () => {
  it('means what the new one does, with one line that names it, however often it is used', () => {
    const old = [uplink('a', { strays: 'flood' }), uplink('b', { strays: 'drop' }), uplink('c', {})];
    assert.deepEqual(parse({ uplinks: old }), {
      uplinks: [uplink('a', { unknownUnicast: 'flood' }), uplink('b', { unknownUnicast: 'drop' }), uplink('c', {})],
      warnings: [WARNING],
    });
  });

  it('is not missed by whoever uses the new one', () => {
    const now = [uplink('a', { unknownUnicast: 'flood' })];
    assert.deepEqual(parse({ uplinks: now }), { uplinks: now, warnings: [] });
    assert.deepEqual(parse({}), { uplinks: undefined, warnings: [] });
  });

  it('is rejected beside the new one, in one line, also where both say the same', async () => {
    for (const unknownUnicast of ['drop', 'flood', undefined, 7]) {
      const both = { ...uplink('b', { strays: 'flood' }), unknownUnicast: unknownUnicast ?? null };
      const error = await failure('CONFIG_INVALID', () => parse({ uplinks: [uplink('a', {}), both] }));
      const line = `uplinks[1]: "strays" is the old name of "unknownUnicast", and both are given in ${FILE}`;
      assert.equal(error.message, line);
    }
  });

  it('gets its value checked, and is known on uplinks only', async () => {
    const wrong = async (config: unknown): Promise<string> =>
      (await failure('CONFIG_INVALID', () => parse(config))).message;
    assert.match(await wrong({ uplinks: [uplink('a', { strays: 'often' })] }), /^uplinks\[0\]\.unknownUnicast: /);
    assert.match(await wrong({ strays: 'flood' }), /^unknown key "strays" in /);
    assert.match(await wrong({ ports: [{ name: 'a', strays: 'flood' }] }), /^unknown key "ports\[0\]\.strays" in /);
    for (const odd of [[], null, 3, 'strays', { uplinks: { strays: 'flood' } }, { uplinks: [null, 'strays'] }]) {
      await wrong(odd);
    }
  });

  it('is said of the file in /etc as well as of one that was asked for', async () => {
    const text = JSON.stringify({ uplinks: [uplink('a', { strays: 'flood' })] });
    const host = fakeHost({ uid: 0, files: { '/etc/vhost-host/switch.json': text, [FILE]: text } });
    const said: string[] = [];
    await loadConfig(host, undefined, undefined, (line) => void said.push(line));
    await loadConfig(host, FILE, undefined, (line) => void said.push(line));
    assert.deepEqual(said, [WARNING.replace(FILE, '/etc/vhost-host/switch.json'), WARNING]);
  });
});
