import { strict as assert } from 'node:assert';
import { forRunDir } from '../../../src/cli/command-hints.js';
import { ALL_COMMANDS } from '../../../src/cli/commands.js';
import { buildProgram } from '../../../src/cli/program.js';
import { VhostHostError } from '../../../src/common/errors.js';
import { Desk, parse } from './support.js';

describe('the command line: mistakes', () => {
  const cases: [string, string[], RegExp][] = [
    ['a misspelt subcommand', ['stauts'], /^unknown command 'stauts' \(Did you mean one of .*status/],
    ['a misspelt flag', ['status', '--jsn'], /^unknown option '--jsn' \(Did you mean --json\?\)$/],
    ['a missing name', ['ports', 'add'], /^missing required argument 'name'$/],
    ['a word too many', ['status', 'x'], /^too many arguments/],
    ['a CPU list that is none', ['start', '--workers', 'x'], /"x" is not a CPU list such as 0,2-3\.$/],
    ['queues that are no number', ['ports', 'add', 'a', '--queues', '0'], /It must be a whole number from 1\.$/],
    [
      'a transport that is none',
      ['ports', 'add', 'a', '--transports', 'usb'],
      /It must be user, cuse, or user,cuse\.$/,
    ],
    ['an index that is none', ['ports', 'add', 'a', '--dev-index', '-1'], /It must be a whole number up to 999999\.$/],
    ['an address that is none', ['ports', 'add', 'a', '--mac', 'x'], /It must be the address of one network card\.$/],
    ['a base name that is none', ['start', '--dev-basename', '../x'], /It has 1 to 32 letters/],
    ['an uplink without a device', ['start', '--uplink', 'net'], /NAME=DEVICE, such as net0=0000:03:00\.0\.$/],
    ['a VLAN mode that is none', ['start', '--vlan', 'access'], /It must be none, auto, access:N/],
    ['a VLAN twice', ['start', '--vlan', 'access:1,2'], /It must be none, auto, access:N/],
    ['a way between guests that is none', ['start', '--vm2vm', '3'], /0, 1 or 2\.$/],
    ['an unknown mode', ['start', '--poll', 'often'], /Allowed choices are adaptive, busy\.$/],
    ['start, which has no --json', ['start', '--jso'], /^unknown option '--jso'/],
  ];
  for (const [what, args, message] of cases) {
    it(`${what}: one line, a hint, exit code 2`, async () => {
      const { code, out, err } = await new Desk().run(...args);
      assert.deepEqual([code, out, err.length], [2, [], 2]);
      assert.match(err[0] ?? '', message);
      const command = args.filter((word) => /^(status|ports|add|start)$/.test(word));
      assert.equal(err[1], ['vhost-host', ...command, '--help'].join(' '));
    });
  }

  it('with --json they are one object too', async () => {
    const { code, out, err } = await new Desk().run('status', 'x', '--json');
    assert.deepEqual([code, out.length, err], [2, 1, []]);
    assert.equal((parse(out[0])['error'] as { code: string }).code, 'USAGE');
  });

  it('no switch running', async () => {
    const { code, err } = await new Desk().run('status', '--run-dir', '/no/such');
    assert.deepEqual([code, err], [1, ['no switch is running in /no/such', 'vhost-host start --run-dir /no/such']]);
    const named = await new Desk().run('ports', 'add', 'a', "--run-dir=/no/it's", '--json');
    assert.deepEqual(parse(named.out[0])['error'], {
      code: 'SWITCH_NOT_RUNNING',
      message: "no switch is running in /no/it's",
      hint: "vhost-host start --run-dir '/no/it'\\''s'",
    });
  });

  it('what is in a hint besides stays as it is', async () => {
    const program = buildProgram(new Desk().context([], []), () => undefined, ALL_COMMANDS);
    const hints = [
      ['vhost-host stop && vhost-host start', 'vhost-host stop --run-dir /r && vhost-host start --run-dir /r'],
      ['vhost-host ports rm web, and once more', 'vhost-host ports rm --run-dir /r web, and once more'],
      ['sudo modprobe cuse', 'sudo modprobe cuse'],
      ['vhost-host start --run-dir DIR', 'vhost-host start --run-dir DIR'],
      ['sudo vhost-host setup --boot', 'sudo vhost-host setup --boot'],
    ];
    for (const [hint = '', wanted] of hints) {
      const error = await forRunDir(
        () => Promise.resolve(program),
        ['status', '--run-dir', '/r'],
        new VhostHostError('USAGE', 'x', { hint }),
      );
      assert.equal((error as VhostHostError).hint, wanted);
    }
  });
});
