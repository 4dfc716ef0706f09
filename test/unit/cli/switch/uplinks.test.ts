import { strict as assert } from 'node:assert';
import { withDir } from '../../switch/support.js';
import { FlagLedger } from '../flags.js';
import { parse, withSwitch } from '../support.js';

const MAC = '52:54:00:00:00:01';

const flags = new FlagLedger();
const run = flags.run.bind(flags);

describe('the command line: uplinks', () => {
  it('come, are shown, and go', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const there = ['--run-dir', runDir];
        assert.deepEqual((await run(desk, 'uplinks', ...there)).out, ['no uplinks']);
        const more = [
          '--queues',
          '2',
          '--mtu',
          '9000',
          '--buffers',
          '5000',
          '--unknown-unicast',
          'flood',
          '--pools',
          '3',
        ];
        more.push('--forward-reserved');
        const added = await run(desk, 'uplinks', 'add', 'net', 'net_null0', ...more, ...there);
        const remark = /^net_null0 gives frames without end/;
        assert.deepEqual([added.code, added.out[0]], [0, 'uplink net (256) on net_null0, link up']);
        assert.match(added.out[1] ?? '', remark);
        assert.deepEqual(desk.binding.addedUplinks, [
          {
            ...{ name: 'net', device: 'net_null0', queues: 2, mtu: 9000, buffers: 5000 },
            // Not for ports of VLAN mode none.
            ...{ floodUnknownUnicast: true, forwardReserved: true, pools: 0, loops: false },
          },
        ]);
        assert.equal((await run(desk, 'uplinks', 'list', ...there)).out.length, 2);
        const { uplinks } = parse((await run(desk, 'uplinks', '--json', ...there)).out[0]);
        assert.equal((uplinks as unknown[]).length, 1);
        assert.match(
          (await run(desk, 'stats', ...there)).out.at(-1) ?? '',
          /^256 +net +5 +300 +7 +420 +- +rxMissed 3$/,
        );
        desk.binding.macTable = [{ mac: MAC, vlan: 10, port: 256, ageSeconds: 1 }];
        assert.match((await run(desk, 'macs', ...there)).out[1] ?? '', / 10 +256 +net +1s ago$/);
        assert.equal((await run(desk, 'uplinks', 'add', 'two', 'net_null1', '--json', ...there)).code, 0);
        assert.deepEqual((await run(desk, 'uplinks', 'rm', 'net', ...there)).out, ['uplink net removed']);
        assert.deepEqual((await run(desk, 'uplinks', 'rm', 'two', '--json', ...there)).out, ['{"removed":"two"}']);
        assert.deepEqual((await run(desk, 'uplinks', 'list', '--json', ...there)).out, ['{"uplinks":[]}']);
        const wrong = await run(desk, 'uplinks', 'add', 'net', 'net_null0', '--queues', '9', ...there);
        const odd = await run(desk, 'uplinks', 'add', 'net', 'net_null0', '--mtu', 'x', ...there);
        assert.deepEqual([odd.code, odd.err.length], [2, 2]);
        assert.match(odd.err[0] ?? '', /--mtu.* is invalid\. It must be a whole number from 68 to 9978/);
        assert.deepEqual(wrong.err, ['uplink net: 9 queues asked for, at most 4']);
      }),
    ));

  it('the old name of --unknown-unicast is taken, with a line on stderr, but not beside the new one', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const add = (name: string, ...more: string[]) =>
          run(desk, 'uplinks', 'add', name, 'net_null0', ...more, '--json', '--run-dir', runDir);
        const added = await add('old', '--strays', 'flood');
        assert.deepEqual([added.code, parse(added.out[0])['unknownUnicast']], [0, 'flood']);
        const line = '--strays is called --unknown-unicast now; the next release does not know the old name any more';
        assert.deepEqual(added.err, [line]);
        assert.deepEqual((await add('new', '--unknown-unicast', 'drop')).err, []);
        for (const value of ['drop', 'flood']) {
          const both = await add('both', '--strays', 'flood', '--unknown-unicast', value);
          assert.equal(both.code, 2);
          assert.deepEqual(parse(both.out[0])['error'], {
            code: 'USAGE',
            message: '--strays is the old name of --unknown-unicast, and both are given',
            hint: `vhost-host uplinks add --run-dir ${runDir} NAME DEVICE --unknown-unicast drop|flood`,
          });
        }
        assert.deepEqual((await add('odd', '--strays', 'often')).code, 2);
        assert.equal(desk.binding.addedUplinks.length, 2);
        const help = (await run(desk, 'uplinks', 'add', '--help')).out.join('\n');
        assert.deepEqual([help.includes('--unknown-unicast'), help.includes('--strays')], [true, false]);
      }),
    ));

  it('and every flag of theirs was used', () => {
    assert.deepEqual(
      flags.unused((flag) => !flag.startsWith('uplinks ')),
      [],
    );
  });
});
