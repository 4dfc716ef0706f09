import { strict as assert } from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import { root } from '../../helpers/paths.js';

const PAGES = ['README.md', 'CONTRIBUTING.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
);

/** What docs/reference/cli.md, which a test compares with the program, says of each command. */
const SECTIONS = new Map(
  readFileSync(`${root}docs/reference/cli.md`, 'utf8')
    .split(/^#+ (?=vhost-host)/m)
    .map((section) => [section.split('\n', 1)[0] ?? '', section]),
);

/** Commands of ours in blocks of shell and in backquotes, without sudo and comments. */
function commandsIn(text: string): string[] {
  const fenced = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, body = '']) => body.split('\n'));
  const quoted = [...text.replace(/^```[^]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');
  return [...fenced, ...quoted]
    .flatMap((line) => line.replace(/(^|\s)#.*/, '').split(/&&|\|(?!\w)/))
    .map((line) => line.trim().replace(/^(?:sudo )?(?:bin\/)?(?=vhost-host )/, ''))
    .filter((line) => /^vhost-host [a-z]/.test(line));
}

/** The longest name of a command that the line begins with. */
function commandOf(line: string): string | undefined {
  const words = line.split(/\s+/);
  const names = [4, 3, 2].map((count) => words.slice(0, count).join(' '));
  return names.find((name) => SECTIONS.has(name));
}

/** What of a line the program does not have. */
function unknownIn(line: string): string[] {
  const name = commandOf(line);
  if (name === undefined) return [line];
  const options = line.match(/(?<=[\s[])--?[a-z][a-z-]*/g) ?? [];
  const documented = SECTIONS.get(name) ?? '';
  return options
    .filter((option) => !new RegExp(`(^|[\\s\`,])${option}(?![a-z-])`, 'm').test(documented))
    .map((option) => `${name}: ${option}`);
}

describe('commands in README and docs', () => {
  for (const page of PAGES)
    it(`of ${page} are those of the program`, () => {
      const text = readFileSync(`${root}${page}`, 'utf8');
      assert.deepEqual(commandsIn(text).flatMap(unknownIn), []);
    });

  it('are found, and reported where the program does not have them', () => {
    const all = PAGES.flatMap((page) => commandsIn(readFileSync(`${root}${page}`, 'utf8')));
    assert.ok(all.length > 80, `only ${all.length} were found`);
    const text =
      '```sh\nsudo vhost-host vm attach a --nik 1  # so\nvhost-host fly\n```\n`vhost-host stop && vhost-host start --poll busy`';
    assert.deepEqual(commandsIn(text).flatMap(unknownIn), ['vhost-host vm attach: --nik', 'vhost-host fly']);
  });
});
