import { strict as assert } from 'node:assert';
import type { Command } from 'commander';
import { ALL_COMMANDS } from '../../../src/cli/commands.js';
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
    const texts = (command: Command): string[] => [
      ...command.options.map((option) => `${command.name()}: ${command.createHelp().optionDescription(option)}`),
      ...command.commands.flatMap(texts),
    ];
    const all = texts(buildProgram(new Desk().context([], []), () => undefined, ALL_COMMANDS));
    assert.ok(all.length > 50);
    assert.deepEqual(
      all.filter((text) => /\(default.*\(default/.test(text)),
      [],
    );
  });
});
