import { strict as assert } from 'node:assert';
import { loadConfig, parseConfig } from '../../../../src/switch/config/config.js';
import { resolveSettings } from '../../../../src/switch/config/resolve-settings.js';
import { fakeHost } from '../support.js';

const FILE = '/etc/x.json';

describe('configuration: what comes out', () => {
  const group = { '/etc/group': 'kvm:x:107:\nnet:x:50:\n' };

  it("root's default file is read where it exists, a user's is not", async () => {
    const files = { '/etc/vhost-host/switch.json': '{"macAgeing": 5}' };
    assert.deepEqual(await loadConfig(fakeHost({ uid: 0, files })), {
      file: '/etc/vhost-host/switch.json',
      config: { macAgeing: 5 },
    });
    assert.deepEqual(await loadConfig(fakeHost({ uid: 1, files })), { file: null, config: {} });
    // The service as a user of its own.
    assert.deepEqual(await loadConfig(fakeHost({ uid: 1, files }), undefined, '/run/vhost-host'), {
      file: '/etc/vhost-host/switch.json',
      config: { macAgeing: 5 },
    });
    assert.deepEqual(await loadConfig(fakeHost({ uid: 0 })), { file: null, config: {} });
  });

  it('defaults where nothing is said', async () => {
    const settings = await resolveSettings(fakeHost({ uid: 0, files: group }), { file: null, config: {} }, {});
    assert.deepEqual(settings, {
      configFile: null,
      runDir: '/run/vhost-host',
      workers: [-1],
      poll: 'adaptive',
      mergeable: true,
      rxRetryNum: 4,
      rxRetryDelayUs: 15,
      macAgeing: 300,
      memoryMb: 64,
      hugepages: 'auto',
      socketMode: 0o660,
      socketGid: 107,
      claimGid: 107,
      devBaseName: 'usvhost',
      ports: [],
      uplinks: [],
      vlan: 'none',
      vlanStrip: true,
      vm2vm: 'software',
      zeroCopy: false,
      rxDescriptors: 32,
      txDescriptors: 64,
      offloads: false,
      stats: 0,
      memoryChannels: undefined,
      logLevel: 6,
      logMaxBytes: 4096 * 1024,
      logFiles: 1,
    });
  });

  it('a user opens nothing to a group', async () => {
    const settings = await resolveSettings(fakeHost({ uid: 5, files: group }), { file: null, config: {} }, {});
    assert.deepEqual([settings.socketMode, settings.socketGid, settings.claimGid], [0o600, -1, -1]);
  });

  it('the file wins over the defaults, the flags over the file', async () => {
    const text = JSON.stringify({
      runDir: '/srv/a',
      workers: '2-3',
      poll: 'busy',
      mergeable: false,
      rxRetry: true,
      rxRetryNum: 5,
      rxRetryDelay: 30,
      macAgeing: 9,
      memoryMb: 128,
      hugepages: 'off',
      socket: { mode: '0666', group: 'net' },
      ports: [{ name: 'a', socket: '/s/a', queues: 2, offloads: true, vlan: 'access:7' }],
      uplinks: [{ name: 'net', device: '0000:03:00.0', mtu: 9000, queues: 2, unknownUnicast: 'flood', buffers: 4096 }],
      vlan: 'trunk:0,10-12',
      vlanStrip: false,
      vm2vm: 'off',
      zeroCopy: true,
      rxDescriptors: 128,
      txDescriptors: 256,
      offloads: true,
      stats: 2,
      memoryChannels: 4,
      logLevel: 'debug',
      devBaseName: 'vh',
    });
    const host = fakeHost({ files: group });
    const loaded = { file: FILE, config: parseConfig(FILE, text) };
    const fromFile = await resolveSettings(host, loaded, {});
    assert.deepEqual(fromFile, {
      configFile: FILE,
      runDir: '/srv/a',
      workers: [2, 3],
      poll: 'busy',
      mergeable: false,
      rxRetryNum: 5,
      rxRetryDelayUs: 30,
      macAgeing: 9,
      memoryMb: 128,
      hugepages: 'off',
      socketMode: 0o666,
      socketGid: 50,
      claimGid: 50,
      devBaseName: 'vh',
      ports: [{ name: 'a', socket: '/s/a', queues: 2, offloads: true, vlan: 'access:7' }],
      uplinks: [{ name: 'net', device: '0000:03:00.0', mtu: 9000, queues: 2, unknownUnicast: 'flood', buffers: 4096 }],
      vlan: 'trunk:0,10-12',
      vlanStrip: false,
      vm2vm: 'off',
      zeroCopy: true,
      rxDescriptors: 128,
      txDescriptors: 256,
      offloads: true,
      stats: 2,
      memoryChannels: 4,
      logLevel: 8,
      logMaxBytes: 4096 * 1024,
      logFiles: 1,
    });
    const flags = { runDir: '/srv/b', workers: [1], poll: 'adaptive', hugepages: 'on', devBaseName: 'w' } as const;
    assert.deepEqual(await resolveSettings(host, loaded, flags), { ...fromFile, ...flags });
    const network = { vlan: 'auto', vlanStrip: true, offloads: false, stats: 0 } as const;
    assert.deepEqual(await resolveSettings(host, loaded, network), { ...fromFile, ...network });
    const auto = { ports: [], uplinks: [{ name: 'net', device: 'net_null0', pools: 3 }] };
    const byCard = await resolveSettings(
      host,
      { ...loaded, config: { ...loaded.config, ...auto } },
      { vm2vm: 'hardware', vlan: 'auto' },
    );
    assert.deepEqual([byCard.vm2vm, byCard.uplinks], ['hardware', auto.uplinks]);
    const memory = { memoryMb: 1024, memoryChannels: 2 };
    assert.deepEqual(await resolveSettings(host, loaded, memory), { ...fromFile, ...memory });
    const more = { uplink: [{ name: 'x', device: 'net_null0' }], ports: [{ name: 'b', socket: '/s/b' }] };
    assert.deepEqual(await resolveSettings(host, loaded, more), {
      ...fromFile,
      uplinks: [...fromFile.uplinks, ...more.uplink],
      ports: [...fromFile.ports, ...more.ports],
    });
    const retry = { rxRetry: false, rxRetryNum: 9, rxRetryDelay: 1, mergeable: true };
    const changed = { rxRetryNum: 0, rxRetryDelayUs: 1, mergeable: true };
    assert.deepEqual(await resolveSettings(host, loaded, retry), { ...fromFile, ...changed });
  });

  it('the environment wins over the file, the flag over both', async () => {
    const host = fakeHost({ env: { VHOST_HOST_RUN_DIR: '/env' } });
    const loaded = { file: FILE, config: { runDir: '/file' } };
    assert.equal((await resolveSettings(host, loaded, {})).runDir, '/env');
    assert.equal((await resolveSettings(host, loaded, { runDir: '/flag' })).runDir, '/flag');
    assert.equal((await resolveSettings(fakeHost({}), loaded, {})).runDir, '/file');
  });

  it('CPU numbers may be a list of numbers', () => {
    assert.deepEqual(parseConfig(FILE, '{"workers":[3,0]}').workers, [3, 0]);
  });
});
