import { strict as assert } from 'node:assert';
import { realHost } from '../../../../src/host/node-host.js';
import { startOf } from '../../../../src/host/kernel/process.js';
import { lapsed } from '../../../../src/switch/ports/claim-rules.js';
import { foreignReason, nativeOwner } from '../../../../src/switch/ports/owner.js';
import { OwnerText } from '../../../../src/switch/model/owner-text.js';
import { call } from '../../../../src/switch/client/http.js';
import { claimSocketPath, guestRecordPath } from '../../../../src/switch/run-dir/paths.js';
import type { Port } from '../../../../src/switch/model/schema.js';
import { until } from '../../../helpers/until.js';
import { failure, startBench, withDaemon, withDir } from '../support.js';
import type { Host } from '../../../../src/host/host.js';

const US = process.pid;
const TRANSPORTS = ['user'] as const;

describe("a port's owner: what the engine is told", () => {
  it('is nobody in particular, a user, or the process of a domain of libvirt', () => {
    const port = { origin: 'config', transports: TRANSPORTS } as const;
    const nobody = { pid: 0, started: 0, only: false, uid: -1, pidFile: '', bridged: false };
    assert.deepEqual(nativeOwner({ ...port, owner: undefined }, undefined), nobody);
    assert.deepEqual(nativeOwner({ ...port, owner: 'uid:107' }, undefined), { ...nobody, uid: 107 });
    assert.deepEqual(nativeOwner({ ...port, owner: 'domain:web 1' }, undefined), {
      ...nobody,
      pidFile: '/run/libvirt/qemu/web 1.pid',
    });
  });

  it('is the claimant, alone where the port was made for it; a bridge comes in beside', () => {
    const claimant = { pid: 7, started: 70 };
    const claimed = nativeOwner({ owner: undefined, origin: 'claim', transports: TRANSPORTS }, claimant);
    assert.deepEqual([claimed.pid, claimed.started, claimed.only, claimed.bridged], [7, 70, true, false]);
    const configured = nativeOwner({ owner: undefined, origin: 'config', transports: ['user', 'cuse'] }, claimant);
    assert.deepEqual([configured.pid, configured.only, configured.bridged], [7, false, true]);
  });

  it('is written in one of two ways', () => {
    for (const good of ['uid:0', 'uid:64055', 'domain:web1', 'domain:a b'])
      assert.equal(OwnerText.safeParse(good).success, true, good);
    for (const bad of [
      '',
      'uid:',
      'uid:-1',
      'uid:1x',
      'domain:',
      'domain:../x',
      'domain:a\nb',
      'gid:1',
      'uid:9999999999',
    ])
      assert.equal(OwnerText.safeParse(bad).success, false, bad);
  });
});

describe("a port's owner: claims", () => {
  const host = (uid: number, pidFile?: string): Pick<Host, 'stat' | 'readOptional'> => ({
    stat: () => Promise.resolve({ kind: 'directory', mode: 0o555, uid, gid: 0, size: 0, ctimeMs: 0 }),
    readOptional: () => Promise.resolve(pidFile),
  });

  it('are of the user or the domain that the port belongs to, and of nobody else', async () => {
    const claimant = { pid: 7, started: 70 };
    assert.equal(await foreignReason(host(5), undefined, undefined), undefined);
    assert.equal(await foreignReason(host(5), 'uid:5', claimant), undefined);
    assert.equal(await foreignReason(host(6), 'uid:5', claimant), 'it belongs to uid:5, not to process 7 of user id 6');
    assert.match((await foreignReason(host(5), 'uid:5', undefined)) ?? '', /does not see who asks/);
    assert.equal(await foreignReason(host(5, '7\n'), 'domain:web', claimant), undefined);
    for (const file of ['8', '', 'x', undefined]) {
      assert.match(
        (await foreignReason(host(5, file), 'domain:web', claimant)) ?? '',
        /^it belongs to domain:web, not/,
      );
    }
  });

  it('of a port of the configuration lapse with the guest, those of a port of their own with the port', () => {
    const port = { origin: 'config', connected: false, claimedAt: undefined, lostAt: 0 } as const;
    assert.equal(lapsed(port, 9999), false);
    assert.equal(lapsed(port, 10_000), true);
    assert.equal(lapsed({ ...port, connected: true }, 99_999), false);
    assert.equal(lapsed({ ...port, origin: 'claim' }, 99_999), false);
  });

  it('tell the engine whose the port is, then, and when it is no longer', () =>
    withDaemon(
      async ({ runDir, binding, clock }) => {
        const claimant = { pid: US, started: (await startOf(realHost, US)) ?? 0 };
        const spec = { queues: 1, exact: true, claimant };
        const claim = async (more: object): Promise<Port> =>
          (await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', { ...spec, ...more })) as Port;
        const a = await claim({ name: 'a' });
        assert.deepEqual([binding.owners.get(a.id)?.pid, binding.owners.get(a.id)?.only], [US, false]);
        const g = await claim({ name: 'g' });
        assert.deepEqual([binding.added.at(-1)?.owner.pid, binding.added.at(-1)?.owner.only], [US, true]);
        assert.equal(binding.owners.get(g.id)?.pid, US);
        // QEMU in the background connects as a child that nobody knows yet.
        const d = await claim({ name: 'd', forks: true });
        assert.equal(binding.owners.get(d.id)?.pid, 0);
        binding.connect('a');
        binding.disconnect('a');
        const held = await failure('PORT_IN_USE', claim({ name: 'a', claimant: { pid: 1, started: 1 } }));
        assert.equal(held.message, `port a is taken: its guest, process ${US}, still runs`);
        clock.advance(11);
        await until(() => binding.owners.get(a.id)?.pid === 0, { deadline: 5000, what: 'the claim to lapse' });
      },
      { ports: [{ name: 'a' }] },
    ));

  it('are kept for the next switch, with the process', () =>
    withDir(async (dir) => {
      const claimant = { pid: US, started: (await startOf(realHost, US)) ?? 0 };
      const first = await startBench(dir);
      await call(claimSocketPath(dir), 'POST', '/v1/ports/claim', { name: 'g', queues: 1, exact: true, claimant });
      first.binding.connect('g');
      await first.daemon.stop();
      assert.match((await realHost.readOptional(guestRecordPath(dir))) ?? '', new RegExp(`"pid":${US}`));
      const second = await startBench(dir);
      assert.deepEqual(second.binding.added.at(-1)?.owner.pid, US);
      await second.daemon.stop();
    }));

  it('are refused for a port with a device, whose bridge connects for everybody', () =>
    withDir(async (dir) => {
      const ports = [{ name: 'a', transports: ['user', 'cuse'] as const, owner: 'uid:5' }];
      assert.match(
        (await failure('USAGE', startBench(dir, { ports }))).message,
        /^port a: an owner is recognised by who connects/,
      );
    }));
});
