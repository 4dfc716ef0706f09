import { strict as assert } from 'node:assert';
import type { Command } from 'commander';
import { ALL_COMMANDS } from '../../../src/cli/commands.js';
import { commandOf } from '../../../src/cli/command-hints.js';
import { EXAMPLES } from '../../../src/cli/examples.js';
import { buildProgram } from '../../../src/cli/program.js';
import { Desk } from './support.js';

describe('the command line', () => {
  it('help and version are answers', async () => {
    const desk = new Desk();
    const help = await desk.run('start', '--help');
    assert.deepEqual([help.code, help.err], [0, []]);
    assert.match(help.out.join('\n'), /--foreground/);
    assert.doesNotMatch(help.out.join('\n'), /--ready-fd/);
    assert.deepEqual((await desk.run('--version')).out, ['9.9.9']);
    for (const words of [['-v'], ['version']]) assert.deepEqual((await desk.run(...words)).out, ['9.9.9']);
    assert.equal(desk.loads, 0);
  });

  it('a command without the subcommand that it needs tells what there is', async () => {
    for (const words of [[], ['vm'], ['libvirt']]) {
      const { code, out, err } = await new Desk().run(...words);
      assert.deepEqual([code, err], [0, []]);
      assert.deepEqual(out, (await new Desk().run(...words, '--help')).out);
    }
  });

  it('no option tells two defaults', () => {
    const all = commands().flatMap(({ command }) =>
      command.options.map((option) => `${command.name()}: ${command.createHelp().optionDescription(option)}`),
    );
    assert.ok(all.length > 50);
    assert.deepEqual(
      all.filter((text) => (text.match(/\bdefault\b/g) ?? []).length > 1),
      [],
    );
  });

  it('the help of every command that is shown ends with an example, which the command accepts', () => {
    const shown = commands().filter(({ hidden }) => !hidden);
    assert.deepEqual(Object.keys(EXAMPLES).sort(), shown.map(({ words }) => words.join(' ')).sort());
    for (const { words, command } of shown) {
      const examples = EXAMPLES[words.join(' ')] ?? [];
      const text = textOf(command);
      assert.ok(examples.length > 0 && text.endsWith(`\n    ${examples.at(-1)?.call}\n`), text);
      for (const { call } of examples) {
        const [program, ...rest] = call.split(' ');
        assert.equal(program, 'vhost-host');
        const called = commandOf(commands()[0]?.command as Command, rest);
        assert.equal(call.startsWith(['vhost-host', ...words].join(' ')), true, call);
        const depth = called.parent === null ? 0 : called.parent.parent === null ? 1 : 2;
        const { operands, unknown } = called.parseOptions(rest.slice(depth));
        assert.deepEqual(unknown, [], call);
        const [least, most] = [
          called.registeredArguments.filter(({ required }) => required).length,
          called.registeredArguments.some(({ variadic }) => variadic) ? Infinity : called.registeredArguments.length,
        ];
        assert.ok(operands.length >= least && operands.length <= most, call);
      }
    }
  });

  it("groups options by what they are for; DPDK's and its sample's stand by themselves, common ones last", async () => {
    const help = async (...words: string[]): Promise<string> =>
      (await new Desk().run(...words, '--help')).out.join('\n');
    const start = await help('start');
    const dpdk = /^Options of DPDK and of its vhost example:\n((?: {2}.*\n)+)/m.exec(start)?.[1] ?? '';
    const named = [...dpdk.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => name);
    const expected = ['coremask', 'corelist', 'memory-channels', 'socket-mem', 'huge-dir', 'allow', 'vdev'];
    assert.deepEqual(named, expected);
    assert.match(start, /^Options of DPDK's vhost example, behind --:\n {2}-p, --portmask <hex>\n/m);
    const headings = (text: string): string[] => [...text.matchAll(/^(\S.*):$/gm)].map(([, title = '']) => title);
    const attach = headings(await help('vm', 'attach'));
    assert.deepEqual(attach, ['Options', 'Confirmation and preview', 'Common options', 'Examples']);
    assert.deepEqual(headings(await help('macs')), ['Options', 'Example']);
    assert.deepEqual(headings(await help()), ['Options', 'The switch', 'Guests and this host', 'Commands', 'Examples']);
  });
});

interface Found {
  readonly words: readonly string[];
  readonly command: Command;
  readonly hidden: boolean;
}

/** The program and all below it. */
function commands(): Found[] {
  const walk = (command: Command, words: readonly string[], hidden: boolean): Found[] => [
    { words, command, hidden },
    ...command.commands.flatMap((sub) =>
      walk(sub, [...words, sub.name()], !command.createHelp().visibleCommands(command).includes(sub)),
    ),
  ];
  return walk(
    buildProgram(new Desk().context([], []), () => undefined, ALL_COMMANDS),
    [],
    false,
  );
}

/** All that `--help` writes. */
function textOf(command: Command): string {
  const written: string[] = [];
  command.configureOutput({ writeOut: (text) => void written.push(text) });
  command.outputHelp();
  return written.join('');
}
