import { readFileSync, readdirSync, statSync } from 'node:fs';
import { MemoryHost } from '../../host/memory-host.js';
import { runShell, sourcedBy } from './grub-sourced.js';
import { peImage } from './pe-image.js';
import type { Host, RunResult } from '../../../../src/host/host.js';

/** Systems as trees of files, `test/golden/boot/NAME/root`; what only has to be there is a line of `programs`. */
export const ROOT = 'test/golden/boot';
export const systems = readdirSync(ROOT);

function load(memory: MemoryHost, dir: string, inside: string): void {
  for (const name of readdirSync(dir)) {
    const [path, to] = [`${dir}/${name}`, `${inside}/${name}`];
    if (statSync(path).isDirectory()) load(memory, path, to);
    else memory.file(to, readFileSync(path, 'utf8'));
  }
}

function optional(path: string): string | undefined {
  return readdirSync(path.slice(0, path.lastIndexOf('/'))).includes(path.slice(path.lastIndexOf('/') + 1))
    ? readFileSync(path, 'utf8')
    : undefined;
}

export interface System {
  readonly memory: MemoryHost;
  /** With the commands that keep kernel arguments somewhere else than in files that we write. */
  readonly host: Host;
  /** All that undo has to bring back. */
  state(): unknown;
}

export function system(name: string): System {
  const memory = new MemoryHost().dir('/var/lib');
  load(memory, `${ROOT}/${name}/root`, '');
  for (const path of (optional(`${ROOT}/${name}/programs`) ?? '').split('\n').filter(Boolean)) memory.file(path, '');
  const images = (optional(`${ROOT}/${name}/images`) ?? '').split('\n').filter(Boolean);
  const build = (): void => {
    for (const line of images) {
      const [path = '', cmdline = ''] = line.split(' ');
      const text = (memory.entries.get(cmdline)?.text ?? 'ro').replace(/^#.*$/gm, '');
      memory.file(
        path,
        peImage({ '.osrel': 'ID=x', '.cmdline': text.trim().replace(/\s+/g, ' '), '.linux': 'kernel' }),
      );
    }
  };
  build();
  let kargs = (optional(`${ROOT}/${name}/kargs`) ?? '').trim();
  const run: Host['run'] = async (command, args, options) => {
    if (command === 'sh') return runShell(['sh'], args, (path) => readable(memory, path));
    const done = await memory.host.run(command, args, options);
    if (command === 'mkinitcpio' || command === 'kernel-install') build();
    if (command === 'update-grub') remakeMenu(memory);
    if (command === 'sdbootutil') updateEntries(memory);
    if (command === 'grub2-editenv') await setEnv(memory, args);
    if (command !== 'rpm-ostree') return done;
    kargs = changeKargs(kargs, args.slice(1));
    return answer(args.length === 1 ? kargs : '');
  };
  return { memory, host: { ...memory.host, run }, state: () => ({ kargs: sorted(kargs), ...memory.tree() }) };
}

/** The file as this machine's shell can read it: a name that its system has in it is one of every system. */
function readable(memory: MemoryHost, path: string): string | undefined {
  return memory.entries.get(path)?.text.replaceAll('/etc/system-release', '/etc/os-release');
}

/** What 10_linux does: the arguments behind `ro` come from the files that its configuration is read from. */
function remakeMenu(memory: MemoryHost): void {
  const paths = [...memory.entries.keys()].filter((path) => /^\/etc\/default\/grub(\.d\/.*\.cfg)?$/.test(path)).sort();
  const reads = memory.entries.get('/usr/sbin/grub-mkconfig')?.text.includes('grub.d') ? paths : paths.slice(0, 1);
  const files = reads.map((path) => ({ path, text: readable(memory, path) ?? '' }));
  const [main = '', more = ''] = sourcedBy(['sh'], files) ?? [];
  const menu = memory.entries.get('/boot/grub/grub.cfg');
  if (menu === undefined) return;
  menu.text = menu.text.replace(/^(\s+linux.* ro) ((?:single)?).*$/gm, (_, start: string, single: string) =>
    single === '' ? `${start} ${main} ${more}` : `${start} single ${main}`,
  );
  menu.text = menu.text.replace(/ +$/gm, '');
}

/** `sdbootutil update-all-entries`. */
function updateEntries(memory: MemoryHost): void {
  const line = (memory.entries.get('/etc/kernel/cmdline')?.text ?? '').trim();
  for (const [path, entry] of memory.entries) {
    if (path.includes('/loader/entries/')) entry.text = entry.text.replace(/^(options\s+).*$/m, `$1${line}`);
  }
}

const answer = (stdout: string): RunResult => ({ exitCode: 0, stdout, stderr: '' });

/** `rpm-ostree kargs` takes ours back to the end of the line: their order among others may change. */
const sorted = (kargs: string): string => {
  const words = kargs.split(' ');
  const ours = (word: string): boolean => /hugepage|iommu/.test(word);
  return [...words.filter((word) => !ours(word)), ...words.filter(ours)].join(' ');
};

/** All deletions first, whatever the order on the command line; an argument that is not there is an error. */
function changeKargs(kargs: string, options: readonly string[]): string {
  const words = kargs.split(' ');
  for (const word of options.filter((text) => text.startsWith('--delete=')).map((text) => text.slice(9))) {
    const at = words.indexOf(word);
    if (at < 0) throw new Error(`no argument ${word}`);
    words.splice(at, 1);
  }
  const added = options.filter((text) => text.startsWith('--append=')).map((text) => text.slice(9));
  return [...words, ...added].join(' ');
}

/** `grub2-editenv FILE set NAME=VALUE`: the block stays 1024 bytes long. */
async function setEnv(memory: MemoryHost, [path = '', , setting = '']: readonly string[]): Promise<void> {
  const name = setting.split('=', 1)[0] ?? '';
  const lines = (await memory.host.read(path)).split('\n').slice(0, -1);
  const text = lines.map((line) => (line.startsWith(`${name}=`) ? setting : line)).join('\n') + '\n';
  const entry = memory.entries.get(path);
  if (entry !== undefined) entry.text = text.padEnd(1024, '#');
}
