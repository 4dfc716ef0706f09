import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { groupOf, parseArgv, printArgs, textsOf, valueOf, withValue } from '../../../src/wrap/cmdline/argv.js';
import { FLAGS, VALUED } from '../../../src/wrap/cmdline/options.js';
import { wrap } from './support.js';

const word = fc.oneof(
  fc.string(),
  fc.string().map((text) => `-${text}`),
  fc.constantFrom('-S', '-m', '--m', '-netdev', '-device', '-object', '-machine', '-name', '-', '--', '-nographic'),
  fc.constantFrom('tap,id=a,vhost=on', '{"type":"tap","id":"a"}', 'user,id=b', 'pc,usb=off', 'a,,b=c,,'),
);

describe('argv', () => {
  it('prints whatever it has read', () => {
    fc.assert(
      fc.property(fc.array(word), (args) => {
        deepEqual(textsOf(parseArgv(args)), args);
      }),
    );
  });

  it('every argument of a call that is not ours keeps its place and its origin', () => {
    const foreign = word.filter((text) => !/tap|vhost|object|machine|mem|-m$|device|netdev/.test(text));
    fc.assert(
      fc.property(fc.array(foreign), (args) => {
        deepEqual(
          wrap(args).args,
          args.map((text, origin) => ({ text, origin })),
        );
      }),
    );
  });

  it('arguments around the rewritten ones come through untouched', () => {
    const value = fc.string().filter((text) => !text.startsWith('-') && !text.startsWith('{'));
    const ours = ['-netdev', 'tap,id=h1,vhost=on', '-device', 'virtio-net-pci,netdev=h1'];
    fc.assert(
      fc.property(fc.array(value), fc.array(value), (before, after) => {
        const pairs = (values: string[]): string[] => values.flatMap((text) => ['-append', text]);
        const args = [...pairs(before), ...ours, ...pairs(after)];
        const kept = wrap(args).args.filter((arg) => arg.origin !== undefined);
        ok(kept.every((arg) => arg.text === args[arg.origin ?? -1]));
        // All but the two values that were edited.
        equal(kept.length, args.length - 2);
        deepEqual(
          kept.map((arg) => arg.origin),
          kept.map((arg) => arg.origin).toSorted((a, b) => (a ?? 0) - (b ?? 0)),
        );
      }),
    );
  });

  it('knows values from options', () => {
    const items = parseArgv(['-append', '-S', '-S', 'disk.img', '--M', 'pc', '-', '-m']);
    deepEqual(
      items.map((item) => [item.name, valueOf(item)]),
      [
        ['append', '-S'],
        ['S', ''],
        [undefined, ''],
        ['machine', 'pc'],
        [undefined, ''],
        ['m', ''],
      ],
    );
  });

  it('an edit keeps the spelling of the option and loses the origin of the value', () => {
    const [item] = parseArgv(['--netdev', 'tap,id=a']);
    ok(item);
    deepEqual(printArgs([withValue(item, groupOf(item).set('id', 'b'))]), [
      { text: '--netdev', origin: 0 },
      { text: 'tap,id=b' },
    ]);
  });

  it('refuses to edit what is not UTF-8, since it would come out as something else', () => {
    const [item] = parseArgv(['-object', 'memory-backend-file,mem-path=/\ufffd']);
    ok(item);
    throws(() => withValue(item, groupOf(item).set('share', true)), { code: 'ARGV_INVALID' });
  });

  for (const qemu of ['/usr/bin/qemu-system-x86_64', 'build/qemu/usr/bin/qemu-system-x86_64'].filter(existsSync)) {
    it(`${qemu} itself agrees about each of its options`, function () {
      this.timeout(30_000);
      // Modules of the installed QEMU are none of the newer one's.
      const env = { ...process.env, QEMU_MODULE_DIR: '/nonexistent' };
      const help = execFileSync(qemu, ['-help'], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
      const listed = [...help.matchAll(/^--?([a-zA-Z][\w-]*)(?:(?: or |\/)-([a-zA-Z][\w-]*))?/gm)].flatMap(
        ([, ...names]) => names,
      );
      const names = [...new Set(listed.filter((name) => name !== undefined))];
      ok(names.length > 90);
      deepEqual(
        names.filter((name) => !FLAGS.has(name) && !VALUED.has(name)),
        [],
      );
      // QEMU looks at all words before it does anything, and names the first that is no option: one that an option
      // has not taken for its value.
      const stranger = (args: readonly string[]): string | undefined =>
        /-(vh-\S+): invalid option/.exec(spawnSync(qemu, args, { encoding: 'utf8', env, timeout: 20_000 }).stderr)?.[1];
      const flags = names.filter((name) => FLAGS.has(name));
      equal(stranger([...flags.map((name) => `-${name}`), '-vh-end']), 'vh-end');
      const valued = names.filter((name) => VALUED.has(name));
      equal(stranger([...valued.flatMap((name) => [`-${name}`, `-vh-${name}`]), '-vh-end']), 'vh-end');
    });
  }

  it('there is a QEMU to ask, and no option is on both lists', () => {
    ok(existsSync('/usr/bin/qemu-system-x86_64'));
    deepEqual(
      [...FLAGS].filter((name) => VALUED.has(name)),
      [],
    );
  });

  it('an option that neither list knows takes no other option for its value', () => {
    const items = parseArgv(['-of-tomorrow', '-netdev', 'user,id=a', '-of-tomorrow', 'x', '-S']);
    deepEqual(
      items.map((item) => [item.name, valueOf(item)]),
      [
        ['of-tomorrow', ''],
        ['netdev', 'user,id=a'],
        ['of-tomorrow', 'x'],
        ['S', ''],
      ],
    );
  });
});
