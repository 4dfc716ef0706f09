import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { VhostHostError } from '../../../src/common/errors.js';
import { EXPANSION } from '../../../src/wrap/cmdline/command.js';
import { WRITTEN_OUT } from '../../../src/wrap/nics.js';
import { OPTIONS_RULE, RULES } from '../../../src/wrap/rules.js';
import { SET_APPLIED } from '../../../src/wrap/cmdline/set-option.js';
import { wrap } from './support.js';

/**
 * Every `NAME.in` is one call of QEMU, an argument per line: `recorded/` by a real libvirt, `written/` by
 * hand. `NAME.plain.out` is what becomes of it on a host without hugepages, `NAME.huge.out` with 4 GiB of
 * them. UPDATE_GOLDEN=1 writes them anew; a missing one fails.
 */

const ROOT = 'test/golden/wrap';
const HOSTS = { plain: 0, huge: 2048 };
const fired = new Set<string>();

/** The files that calls of ours name with -readconfig. */
const files = Object.fromEntries(
  readdirSync(`${ROOT}/written`)
    .filter((name) => name.endsWith('.cfg'))
    .map((name) => [name, readFileSync(`${ROOT}/written/${name}`, 'utf8')]),
);

function render(args: readonly string[], free2M: number): string {
  try {
    const { args: after, changes, remarks, close } = wrap(args, free2M, 0, {}, files);
    for (const change of changes) fired.add(change.rule);
    const log = changes.map(({ rule, before, after: now }) => `${rule}\n  - ${before.join(' ')}\n  + ${now.join(' ')}`);
    const said = remarks.map((remark) => `# ${remark}`);
    return [...after.map((arg) => arg.text), '---', ...log, ...said, `close ${close.join(' ')}`].join('\n') + '\n';
  } catch (error) {
    if (!(error instanceof VhostHostError)) throw error;
    return `error ${error.code}: ${error.message}\n${error.hint ?? ''}\n`;
  }
}

function compare(path: string, got: string): void {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, got);
  equal(got, readFileSync(path, 'utf8'));
}

describe('golden calls', () => {
  for (const folder of ['recorded', 'written']) {
    const inputs = readdirSync(`${ROOT}/${folder}`).filter((name) => name.endsWith('.in'));
    it(`there are ${folder} calls`, () => ok(inputs.length > 30));

    for (const input of inputs) {
      const name = input.slice(0, -'.in'.length);
      const args = readFileSync(`${ROOT}/${folder}/${input}`, 'utf8').trimEnd().split('\n');
      for (const [host, free] of Object.entries(HOSTS)) {
        it(`${folder}/${name} on a ${host} host`, () => {
          compare(`${ROOT}/${folder}/${name}.${host}.out`, render(args, free));
        });
      }

      if (folder === 'recorded' && !args.some((arg) => arg.includes('"vhost":true'))) {
        it(`${name} has no vhost netdev and is left alone`, () => {
          const { args: after, changes } = wrap(args);
          deepEqual(
            after.map((arg) => arg.origin),
            args.map((_, i) => i),
          );
          deepEqual(changes, []);
        });
      }
    }
  }

  it('the configuration adds its options, for all guests and for those with vhost', () => {
    const call = '-netdev tap,id=h1,vhost=on -device virtio-net-pci,netdev=h1'.split(' ');
    const config = { options: ['-msg', 'timestamp=on'], vhostOptions: ['-boot', 'c'] };
    const { args, changes } = wrap(call, 0, 0, config);
    for (const change of changes) fired.add(change.rule);
    deepEqual(
      args.slice(-4).map((arg) => arg.text),
      ['-msg', 'timestamp=on', '-boot', 'c'],
    );
    deepEqual(
      wrap(['-S'], 0, 0, config).args.map((arg) => arg.text),
      ['-S', '-msg', 'timestamp=on'],
    );
    deepEqual(wrap(['-machine', 'none'], 0, 0, config).changes, []);
  });

  it('by device: what libvirt and others passed for /dev/vhost-net makes room for it', () => {
    const config = { transport: 'cuse' } as const;
    const netdevOf = (netdev: string): { text: string | undefined; close: readonly number[] } => {
      const { args, changes, close } = wrap(['-netdev', netdev, '-device', 'virtio-net-pci,netdev=h1'], 0, 0, config);
      for (const change of changes) fired.add(change.rule);
      return { text: args.find(({ text }) => /tap/.test(text))?.text, close };
    };
    deepEqual(netdevOf('tap,id=h1,vhost=on'), { text: 'tap,id=h1,vhost=on,vhostfd=50', close: [] });
    deepEqual(netdevOf('tap,id=h1,fd=7,vhostfd=9'), { text: 'tap,id=h1,fd=7,vhostfd=50,vhost=on', close: [9] });
    deepEqual(netdevOf('{"type":"tap","fds":"31:33","vhost":true,"vhostfds":"34:35","id":"h1"}'), {
      text: '{"type":"tap","fds":"31:33","vhost":true,"vhostfds":"50:51","id":"h1"}',
      close: [34, 35],
    });
    throws(() => netdevOf('tap,id=h1,queues=3,vhost=on'), { code: 'ARGV_INVALID', message: /several queues of a tap/ });
  });

  it('all 40 recorded calls are here', () => {
    equal(readdirSync(`${ROOT}/recorded`).filter((name) => name.endsWith('.in')).length, 40);
  });

  it('every rule was at work in one of these', () => {
    deepEqual(
      [...fired].sort(),
      [...RULES, OPTIONS_RULE, EXPANSION, SET_APPLIED, WRITTEN_OUT].map((rule) => rule.id).sort(),
    );
  });
});
