import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshScope } from '../../../helpers/fresh-scope.js';
import { root, tempDir } from '../../../helpers/paths.js';
import { helpTree } from './support.js';

const file = (name: string): string => `${root}contrib/completion/${name}`;

/** What a shell offers for the last of these words, sorted. */
type Complete = (dir: string, ...words: readonly string[]) => string[];

function run(shell: string, args: readonly string[], cwd: string, input: string): string {
  const env = { PATH: process.env['PATH'], HOME: cwd, TERM: 'dumb', XDG_CONFIG_HOME: cwd, XDG_DATA_HOME: cwd };
  const { stdout, stderr, status } = spawnSync(shell, args, { encoding: 'utf8', cwd, env, input, timeout: 60_000 });
  deepEqual([stderr, status], ['', 0], shell);
  return stdout;
}

const sorted = (text: string): string[] => [...new Set(text.split('\n').filter((line) => line !== ''))].sort();

const bash: Complete = (dir, ...words) => {
  const list = words.map((word) => `'${word}'`).join(' ');
  const call = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _vhost_host; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return sorted(run('bash', ['--norc'], dir, `. ${file('vhost-host.bash')}\n${call}\n`));
};

const fish: Complete = (dir, ...words) => {
  const script = `source ${file('vhost-host.fish')}; complete -C '${words.join(' ')}'`;
  return sorted(run('fish', ['--no-config', '-c', script], dir, '').replace(/[\t/]?(\t.*)?$/gm, ''));
};

/** A shell in a terminal of its own, in which what is added to the list of completions is printed instead. */
const zsh: Complete = (dir, ...words) => {
  const inner = [
    'PROMPT=; unset zle_bracketed_paste',
    `fpath=(${root}contrib/completion $fpath)`,
    `autoload -Uz compinit; compinit -u -d ${dir}/dump`,
    'bindkey "^I" complete-word; setopt rcexpandparam; zstyle ":completion:*" verbose no',
    // Found words go into an array, as compadd itself would have matched them.
    'compadd() { if [[ " $* " == *\\ -[OAD]\\ * ]]; then builtin compadd "$@"; return; fi;',
    '  typeset -a hits; builtin compadd -O hits "$@"; local hit; for hit in $hits; print -r -- "hit=$hit=";',
    '  builtin compadd "$@" }',
    'finish() { print -r -- all-hits-told }; compprefuncs=(); comppostfuncs=(finish)',
    'print -r -- now-ready',
  ];
  writeFileSync(join(dir, 'inner'), inner.join('\n'));
  const outer = `
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner ". ${dir}/inner"
local line
until [[ $line == *now-ready*$'\\n' && $line != *print* ]]; do zpty -r inner line || exit 1; done
zpty -n -w inner ${JSON.stringify(words.join(' '))}$'\\t'
repeat 500; do
  zpty -r inner line || exit 1
  print -rn -- $line
  [[ $line != *all-hits-told* ]] || break
done
zpty -d inner
`;
  const out = run('zsh', ['-f'], dir, outer);
  ok(out.includes('all-hits-told'), out);
  return sorted([...out.matchAll(/hit=([^=\n]*)=/g)].map(([, hit = '']) => hit).join('\n'));
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
        [['start', '--config', 'b'], shell === 'bash' ? ['below', 'beside.json'] : ['below', 'beside.json']],
        [['start', '--run-dir', 'b'], ['below']],
        [['ports', 'add', 'x', '--owner', ''], []],
      ];
      for (const [words, expected] of cases)
        deepEqual(complete(dir, 'vhost-host', ...words), expected, words.join(' '));
    });
  }

  it('bash completes the value behind an equals sign, which it takes for a word of its own', () => {
    deepEqual(bash(dir, 'vhost-host', 'start', '--poll', '=', 'b'), ['busy']);
    deepEqual(bash(dir, 'vhost-host', 'start', '--poll', '='), ['adaptive', 'busy']);
    deepEqual(bash(dir, 'vhost-host', 'ports', '--run-dir', '=', 'add', 'r'), ['rm']);
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
