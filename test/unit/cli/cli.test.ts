import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiSocketPath, logPath, portSocketPath } from '../../../src/switch/run-dir/paths.js';
import { until } from '../../helpers/until.js';
import { FakeBridge } from '../switch/fake-bridge.js';
import { withDir } from '../switch/support.js';
import { FlagLedger } from './flags.js';
import { Desk, parse, withSwitch } from './support.js';

const MAC = '52:54:00:00:00:01';

const flags = new FlagLedger();
const run = flags.run.bind(flags);

describe('the command line, with a switch running', () => {
  it('every subcommand answers in lines and in one JSON object', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const there = ['--run-dir', runDir];
        const socket = join(runDir, 'b.sock');
        const added = await run(desk, 'ports', 'add', 'a', '--json', ...there);
        assert.deepEqual([added.code, added.out.length], [0, 1]);
        assert.equal(parse(added.out[0])['socket'], portSocketPath(runDir, 'a'));
        const spec = ['b', '--socket', socket, '--queues', '2', '--offloads', '--vlan', 'access:10'];
        spec.push('--mac-limit', '3', '--forward-reserved', '--owner', 'uid:7');
        const second = await run(desk, 'ports', 'add', ...spec, ...there);
        assert.deepEqual(
          desk.binding.added.map(({ offloads }) => offloads),
          [false, true],
        );
        assert.deepEqual(
          desk.binding.added.map(({ macLimit, forwardReserved }) => [macLimit, forwardReserved]),
          [
            [2048, false],
            [3, true],
          ],
        );
        assert.deepEqual(
          desk.binding.added.map(({ owner }) => owner.uid),
          [-1, 7],
        );
        assert.deepEqual(second, { code: 0, out: [`port b (1) listens on ${socket}`], err: [] });
        desk.binding.connect('a');
        desk.binding.macTable = [{ mac: MAC, vlan: 1000, port: 0, ageSeconds: 61 }];

        const status = parse((await run(desk, 'status', '--json', ...there)).out[0]);
        assert.deepEqual([status['ports'], status['portsReady'], status['log']], [2, 1, logPath(runDir)]);
        assert.match((await run(desk, 'status', ...there)).out.join('\n'), /^ports +2, 1 ready; 1 addresses learned$/m);

        const ports = [
          'ID  NAME  STATE    VLAN       VLAN TAG  QUEUES  MACS               SOCKET',
          ` 0  a     ready    none           1000     0/1  ${MAC}  ${portSocketPath(runDir, 'a')}`,
          ` 1  b     waiting  access:10      1001     0/2  -                  ${socket}`,
        ];
        assert.deepEqual((await run(desk, 'ports', ...there)).out, ports);
        assert.deepEqual((await run(desk, 'ports', 'list', ...there)).out, ports);
        assert.deepEqual((await run(desk, ...['ports', ...there, 'list'])).out, ports);
        for (const args of [
          ['ports', '--json'],
          ['ports', 'list', '--json'],
        ]) {
          const { ports: list } = parse((await run(desk, ...args, ...there)).out[0]);
          assert.equal((list as unknown[]).length, 2);
        }

        assert.match((await run(desk, 'macs', ...there)).out[1] ?? '', /^52:.* 1000 +0 +a +1m 1s ago$/);
        assert.equal((parse((await run(desk, 'macs', '--json', ...there)).out[0])['macs'] as unknown[]).length, 1);
        assert.equal((await run(desk, 'stats', ...there)).out.length, 3);
        assert.deepEqual((await run(desk, 'drops', ...there)).out, ['no frame was dropped']);
        assert.match((await run(desk, 'drops', '--all', ...there)).out.at(-2) ?? '', /^rx_bad_ring: the frame /);
        const { drops } = parse((await run(desk, 'drops', '--json', ...there)).out[0]);
        assert.equal((drops as unknown[]).length, 23);
        assert.deepEqual((await run(desk, 'rebalance', ...there)).out, ['2 queues moved']);
        assert.deepEqual(parse((await run(desk, 'rebalance', '--json', ...there)).out[0]), { moved: 2 });
        const old =
          '"vhost-host spread" is called "vhost-host rebalance" now; the next release does not know the old name any more';
        assert.deepEqual(await run(desk, 'spread', ...there), { code: 0, out: ['2 queues moved'], err: [old] });
        const spread = await run(desk, 'spread', '--json', ...there);
        assert.deepEqual(spread, { code: 0, out: ['{"moved":2}'], err: [old] });
        const help = (await run(desk, '--help')).out.join('\n');
        assert.deepEqual([/^ +rebalance /m.test(help), /^ +spread\b/m.test(help)], [true, false]);
        assert.equal((parse((await run(desk, 'stats', '--json', ...there)).out[0])['ports'] as unknown[]).length, 2);

        const taken = await run(desk, 'ports', 'rm', 'a', ...there);
        const loss = 'port a has a guest on it, which loses its network';
        assert.deepEqual(taken, { code: 1, out: [], err: [loss, `vhost-host ports rm --run-dir ${runDir} a --force`] });
        desk.answers = [false, true];
        assert.deepEqual((await run(desk, 'ports', 'rm', 'a', ...there)).err, ['cancelled: nothing was changed']);
        assert.equal((await run(desk, 'ports', ...there)).out.length, 3);
        assert.deepEqual((await run(desk, 'ports', 'rm', 'a', ...there)).out, ['port a removed']);
        assert.equal(desk.questions.at(-1), 'Port a has a guest on it, which loses its network. Remove it?');
        desk.answers = undefined;
        await run(desk, 'ports', 'add', 'a', ...there);
        desk.binding.connect('a');
        assert.deepEqual((await run(desk, 'ports', 'rm', 'a', '--force', ...there)).out, ['port a removed']);
        const removed = await run(desk, 'ports', 'rm', 'b', '--json', ...there);
        assert.deepEqual(removed.out, ['{"removed":"b"}']);
        assert.deepEqual((await run(desk, 'ports', ...there)).out, ['no ports']);
      }),
    ));

  it('a port with a device says where it is', () =>
    withDir(async (runDir) => {
      const bridge = await FakeBridge.start(runDir);
      try {
        await withSwitch(runDir, [], async (desk) => {
          const there = ['--run-dir', runDir];
          const both = await run(desk, 'ports', 'add', 'a', '--transports', 'user,cuse', '--dev-index', '4', ...there);
          const ways = `${portSocketPath(runDir, 'a')} and /dev/usvhost-4`;
          assert.deepEqual(both, { code: 0, out: [`port a (0) listens on ${ways}`], err: [] });
          const mac = '52:54:00:00:00:0A';
          const b = await run(desk, 'ports', 'add', 'b', '--transports', 'cuse', '--mac', mac, '--json', ...there);
          assert.equal(parse(b.out[0])['mac'], mac.toLowerCase());
          const lines = (await run(desk, 'ports', ...there)).out;
          assert.match(lines[1] ?? '', /port-a\.sock \/dev\/usvhost-4$/);
          assert.match(lines[2] ?? '', / - +\/dev\/usvhost-1$/);
        });
      } finally {
        await bridge.stop();
      }
    }));

  it('stop takes everything away but the log, and waits for that', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        await writeFile(logPath(runDir), 'kept');
        const stopped = await run(desk, 'stop', '--run-dir', runDir);
        assert.deepEqual(stopped, { code: 0, out: [`switch in ${runDir} stopped`], err: [] });
        assert.deepEqual(await readdir(runDir), ['switch.log']);
      }),
    ));

  it('stop --json says which', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const { out } = await run(desk, 'stop', '--json', '--run-dir', runDir);
        assert.deepEqual(parse(out[0]), { stopped: true, runDir, pid: process.pid });
      }),
    ));

  it("the switch's errors arrive with code, hint and exit code", () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const plain = await run(desk, 'ports', 'rm', 'x', '--run-dir', runDir);
        assert.deepEqual(plain, {
          code: 1,
          out: [],
          err: ['there is no port x', `vhost-host ports --run-dir ${runDir}`],
        });
        const json = await run(desk, 'ports', 'rm', 'x', '--run-dir', runDir, '--json');
        const error = {
          code: 'PORT_UNKNOWN',
          message: 'there is no port x',
          hint: `vhost-host ports --run-dir ${runDir}`,
        };
        assert.deepEqual([json.code, json.err, parse(json.out[0])], [1, [], { error }]);
      }),
    ));
});

describe('the command line: start in the foreground', () => {
  it('all flags reach the switch', () =>
    withDir(async (dir) => {
      const config = join(dir, 'c.json');
      await writeFile(config, JSON.stringify({ ports: [{ name: 'a' }], hugepages: 'on', poll: 'adaptive' }));
      const desk = new Desk();
      const flags = ['--workers', '0', '--poll', 'busy', '--hugepages', 'off', '--config', config, '--ready-fd', '5'];
      flags.push('--mergeable', '0', '--rx-retry', '1', '--rx-retry-num', '7', '--rx-retry-delay', '20');
      flags.push('--dev-basename', 'vh');
      flags.push('--uplink', 'net=net_null0', '--vlan', 'auto', '--vlan-strip', '0', '--vm2vm', '0', '--stats', '5');
      flags.push('--zero-copy', '1', '--rx-desc-num', '64', '--tx-desc-num', '128');
      const running = run(desk, 'start', '--foreground', '--run-dir', join(dir, 'run'), ...flags);
      const outcome = await Promise.race([running, ready(desk)]);
      try {
        assert.equal(outcome, undefined);
        assert.deepEqual(desk.lines, [`5: {"ready":true,"pid":${process.pid}}`]);
        assert.deepEqual(desk.binding.started, {
          workers: [0],
          hugepages: false,
          memoryMb: 64,
          memoryChannels: 0,
          frontEndDescriptors: desk.binding.started?.frontEndDescriptors,
          logLevel: 6,
          poll: 'busy',
          rxRetryNum: 7,
          rxRetryDelayUs: 20,
          isolate: true,
          physicalAddresses: false,
          zeroCopy: true,
          rxDescriptors: 64,
          txDescriptors: 128,
        });
        assert.deepEqual(
          desk.binding.added.map(({ vlanMode, keepTag }) => [vlanMode, keepTag]),
          [['auto', true]],
        );
        const { floodUnknownUnicast, forwardReserved, pools, loops, ...uplink } = desk.binding.addedUplinks[0] ?? {};
        assert.deepEqual(uplink, { name: 'net', device: 'net_null0', queues: 1, mtu: 0, buffers: 0 });
        assert.deepEqual(
          [desk.binding.addedUplinks.length, floodUnknownUnicast, forwardReserved, pools, loops],
          [1, false, false, 7, false],
        );
        assert.deepEqual(
          desk.binding.ports().map(({ name }) => name),
          ['a'],
        );
        assert.ok(desk.privateFiles);
        assert.ok(existsSync(apiSocketPath(join(dir, 'run'))));
        desk.signals.get('SIGHUP')?.();
        desk.signals.get('SIGINT')?.();
      } finally {
        // In any case: a switch that goes on would keep the test run alive.
        desk.signals.get('SIGTERM')?.();
      }
      assert.equal((await running).code, 0);
    }));

  it('an error goes to whoever waits, and to stderr', () =>
    withDir(async (runDir) => {
      const desk = new Desk();
      desk.binding.startError = new Error('no');
      const outcome = await run(
        desk,
        'start',
        '--foreground',
        '--ready-fd',
        '3',
        '--hugepages',
        'off',
        '--run-dir',
        runDir,
      );
      const message = 'the packet engine does not start: no';
      assert.equal(outcome.code, 1);
      assert.equal(outcome.err.at(-1), message);
      assert.deepEqual(desk.lines, [`3: {"error":{"code":"ENGINE_FAILED","message":"${message}"}}`]);
      assert.deepEqual(await readdir(runDir), []);
    }));

  it('a signal that comes while it starts ends it', () =>
    withDir(async (runDir) => {
      const desk = new Desk();
      const lock = desk.binding.lock.bind(desk.binding);
      desk.binding.lock = (path) => {
        desk.signals.get('SIGTERM')?.();
        return lock(path);
      };
      assert.equal((await run(desk, 'start', '--foreground', '--run-dir', runDir)).code, 0);
      assert.deepEqual(await readdir(runDir), []);
    }));
});

async function ready(desk: Desk): Promise<undefined> {
  await until(() => desk.lines.length > 0, { deadline: 10_000, what: 'the switch to be ready' });
  return undefined;
}

/** EAL's options are tested in legacy-vhost.test.ts, `--flags` in launch.test.ts. */
const LEGACY_VHOST = /^start --(coremask|corelist|memory-channels|socket-mem|huge-dir|allow|vdev|flags)$/;

describe('the command line: last of all', () => {
  it('every flag that is declared was used in a call above', () => {
    // Subcommands that are tested in files of their own.
    const elsewhere = (flag: string): boolean =>
      /^(--version$|(check|libvirt|logs|setup|uplinks|vm) )/.test(flag) || LEGACY_VHOST.test(flag);
    assert.deepEqual(flags.unused(elsewhere), []);
  });
});
