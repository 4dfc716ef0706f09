import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { groupOf, parseArgv, printArgs, textsOf, valueOf, withValue } from '../../../src/wrap/argv.js';
import { FLAGS } from '../../../src/wrap/options.js';
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

  it('agrees with the installed QEMU about which options stand alone', () => {
    const help = execFileSync('qemu-system-x86_64', ['-help'], { encoding: 'utf8' });
    const alone = new Set<string>();
    const valued = new Set<string>();
    for (const [, name = '', rest = ''] of help.matchAll(/^--?([a-zA-Z0-9-]+)( ?[^\n]*)/gm)) {
      // A value stands one blank after the name, a description at least two.
      (/^ [^ ]/.test(rest) ? valued : alone).add(name);
    }
    // Where the help text does not keep to that.
    for (const name of ['h', 'async-teardown']) valued.delete(name);
    for (const name of ['fda', 'hda', 'hdc', 'dtb', 'fw']) alone.delete(name);
    ok(alone.size > 20 && valued.size > 70);
    deepEqual(
      [...alone].filter((name) => !FLAGS.has(name)),
      [],
    );
    deepEqual(
      [...valued].filter((name) => FLAGS.has(name)),
      [],
    );
  });
});
