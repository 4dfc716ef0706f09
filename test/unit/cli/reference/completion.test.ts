import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshScope } from '../../../helpers/fresh-scope.js';
import { root, tempDir } from '../../../helpers/paths.js';
import { helpTree } from './support.js';

const file = (name: string): string => `${root}contrib/completion/${name}`;

/** What a shell offers for the last of the words of each line, sorted. */
type Complete = (dir: string, lines: readonly (readonly string[])[]) => string[][];

/** Written by the shells behind what they offer for a line. */
const END = 'all-told';

function run(shell: string, args: readonly string[], cwd: string, input: string): string {
  const env = { PATH: process.env['PATH'], HOME: cwd, TERM: 'dumb', XDG_CONFIG_HOME: cwd, XDG_DATA_HOME: cwd };
  const { stdout, stderr, status } = spawnSync(shell, args, { encoding: 'utf8', cwd, env, input, timeout: 60_000 });
  deepEqual([stderr, status], ['', 0], shell);
  return stdout;
}

function offers(out: string, word: (line: string) => string | undefined): string[][] {
  return out
    .split(`${END}\n`)
    .slice(0, -1)
    .map((part) => [...new Set(part.split('\n').flatMap((line) => word(line) ?? []))].sort());
}

const bash: Complete = (dir, lines) => {
  const calls = lines.map((words) => {
    const list = words.map((word) => `'${word}'`).join(' ');
    return `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _vhost_host; printf '%s\\n' "\${COMPREPLY[@]}" ${END}`;
  });
  const out = run('bash', ['--norc'], dir, [`. ${file('vhost-host.bash')}`, ...calls, ''].join('\n'));
  return offers(out, (line) => (line === '' ? undefined : line));
};

const fish: Complete = (dir, lines) => {
  const calls = lines.map((words) => `complete -C '${words.join(' ')}'; echo ${END}`);
  const out = run('fish', ['--no-config', '-c', [`source ${file('vhost-host.fish')}`, ...calls].join('\n')], dir, '');
  // The word, a slash behind directories, and a description.
  return offers(out, (line) => /^([^\t/]+)/.exec(line)?.[1]);
};

/** In a terminal of its own, where what is added to the list of completions is printed as well. */
const zsh: Complete = (dir, lines) => {
  const inner = [
    'PROMPT=; unset zle_bracketed_paste',
    `fpath=(${root}contrib/completion $fpath)`,
    `autoload -Uz compinit; compinit -u -d ${dir}/dump`,
    'compadd() { if [[ " $* " == *\\ -[OAD]\\ * ]]; then builtin compadd "$@"; return; fi;',
    '  typeset -a hits; builtin compadd -O hits "$@"; local hit; for hit in $hits; print -r -- "hit=$hit=";',
    '  builtin compadd "$@" }',
    `finish() { print -r -- ${END} }`,
    'tell() { comppostfuncs=(finish); zle complete-word; zle kill-buffer }; zle -N tell; bindkey "^I" tell',
    'print -r -- now-ready',
  ];
  writeFileSync(join(dir, 'inner'), inner.join('\n'));
  const outer = [
    'zmodload zsh/zpty; typeset line; zpty inner zsh -f -i; zpty -w inner ". ./inner"',
    // The terminal shows what is typed as well, so each pattern is one that is not typed.
    'until [[ $line == *now-ready* ]]; do zpty -r inner line || exit 1; done',
    'ask() {',
    '  zpty -n -w inner "$1"$\'\\t\'',
    `  while zpty -r inner line; do print -r -- \${line//$'\\r'/$'\\n'}; [[ $line != *${END}* ]] || return 0; done`,
    '  exit 1',
    '}',
    ...lines.map((words) => `ask '${words.join(' ')}'`),
    'zpty -d inner',
    '',
  ];
  const out = run('zsh', ['-f'], dir, outer.join('\n'));
  return offers(out, (line) => /hit=([^=]*)=/.exec(line)?.[1]);
};

describe('completion', function () {
  this.timeout(120_000);
  const scope = freshScope();
  let dir = '';
  beforeEach(async () => {
    dir = await tempDir(scope());
    mkdirSync(join(dir, 'below'));
    writeFileSync(join(dir, 'beside.json'), '');
  });

  for (const [shell, complete] of Object.entries({ bash, zsh, fish })) {
    it(`${shell} completes commands, options and their values`, () => {
      const cases: [string[], string[]][] = [
        [['sta'], ['start', 'stats', 'status']],
        [['vm', 'att'], ['attach']],
        [
          ['vm', 'attach', 'db', '--print-'],
          ['--print-diff', '--print-xml'],
        ],
        [['ports', 'add', 'add', '--so'], ['--socket']],
        // The value of an option is no command.
        [['ports', '--run-dir', 'add', 'r'], ['rm']],
        [
          ['start', '--hugepages', 'o'],
          ['off', 'on'],
        ],
        [['vm', 'attach', '--mode', 'na'], ['native']],
        [
          ['start', '--config', 'b'],
          ['below', 'beside.json'],
        ],
        [['start', '--run-dir', 'b'], ['below']],
        [['ports', 'add', 'x', '--owner', ''], []],
      ];
      const lines = cases.map(([words]) => ['vhost-host', ...words]);
      deepEqual(
        complete(dir, lines),
        cases.map(([, expected]) => expected),
      );
    });
  }

  it('bash completes the value behind an equals sign, which it takes for a word of its own', () => {
    const lines = [
      ['start', '--poll', '=', 'b'],
      ['start', '--poll', '='],
      ['ports', '--run-dir', '=', 'add', 'r'],
    ];
    const expected = [['busy'], ['adaptive', 'busy'], ['rm']];
    deepEqual(
      bash(
        dir,
        lines.map((words) => ['vhost-host', ...words]),
      ),
      expected,
    );
  });

  it('every shell knows each command and option that help shows', async () => {
    const texts = ['vhost-host.bash', '_vhost-host', 'vhost-host.fish'].map((name) => readFileSync(file(name), 'utf8'));
    for (const [words, { options, commands }] of await helpTree()) {
      for (const option of options) {
        const [inBash = '', inZsh = '', inFish = ''] = texts;
        ok(inBash.includes(option) && inZsh.includes(`${option}`), `${words} ${option}`);
        ok(inFish.includes(` -l ${option.slice(2)} `), `${words} ${option}`);
      }
      for (const command of commands) for (const text of texts) ok(text.includes(command), command);
    }
    equal(texts.length, 3);
  });
});
