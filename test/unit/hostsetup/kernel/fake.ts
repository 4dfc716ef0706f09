import { poolDirectory } from '../../../../src/host/kernel/hugepages.js';
import type { MemoryHost } from '../../host/memory-host.js';
import type { Host, RunResult } from '../../../../src/host/host.js';

/** What the kernel makes of numbers of hugepages, and mount(8) and systemctl(1) of their arguments. */

const numberAt = (memory: MemoryHost, path: string): number => Number(memory.entries.get(path)?.text ?? 0);

function add(memory: MemoryHost, directory: string, pages: number): void {
  for (const name of ['nr_hugepages', 'free_hugepages']) {
    const path = `${directory}/${name}`;
    memory.file(path, `${numberAt(memory, path) + pages}\n`);
  }
}

export interface PoolRules {
  readonly pageSize: number;
  readonly nodes?: readonly number[];
  /** Pages that the kernel finds memory for on each node (of the host, where there are none), used up by growing. */
  readonly finds?: number;
  /** And after memory was compacted. */
  readonly findsCompacted?: number;
}

/** Makes the files of a pool behave: growing takes what is found, shrinking leaves what is used. */
export function livePool(
  memory: MemoryHost,
  { pageSize, nodes = [], finds = 1e9, findsCompacted = 0 }: PoolRules,
): void {
  const whole = poolDirectory(pageSize);
  const room = new Map([undefined, ...nodes].map((node) => [node, finds]));
  memory.file('/proc/sys/vm/compact_memory', '\n');
  memory.values.set('/proc/sys/vm/compact_memory', () => {
    for (const [node, pages] of room) room.set(node, pages + findsCompacted);
    return '';
  });
  for (const node of [undefined, ...nodes]) {
    const directory = poolDirectory(pageSize, node);
    memory.values.set(`${directory}/nr_hugepages`, (text) => {
      const now = numberAt(memory, `${directory}/nr_hugepages`);
      const least = now - numberAt(memory, `${directory}/free_hugepages`);
      const left = room.get(node) ?? 0;
      const change = Math.max(least, Math.min(Number(text), now + left)) - now;
      room.set(node, left - change);
      // The write itself sets this file; the others follow.
      add(memory, directory, change);
      if (node !== undefined) add(memory, whole, change);
      else if (nodes.length === 1) add(memory, poolDirectory(pageSize, nodes[0]), change);
      return String(now + change);
    });
  }
}

/** Mounts as lines of /proc/mounts; `busy` ones cannot be taken away. */
export function withMounts(memory: MemoryHost, busy: ReadonlySet<string> = new Set()): Host {
  const fine: RunResult = { exitCode: 0, stdout: '', stderr: '' };
  const lines = (): string[] => (memory.entries.get('/proc/mounts')?.text ?? '').split('\n').filter(Boolean);
  const put = (list: readonly string[]): void => void memory.file('/proc/mounts', `${list.join('\n')}\n`);
  const rootOf = (options: string): { mode: number; uid: number; gid: number } => {
    const value = (name: string): string | undefined => new RegExp(`\\b${name}=(\\w+)`).exec(options)?.[1];
    return {
      mode: parseInt(value('mode') ?? '755', 8),
      uid: Number(value('uid') ?? 0),
      gid: Number(value('gid') ?? 0),
    };
  };
  const shown = (options: string): string => (options.startsWith('rw') ? options : `rw,relatime,${options}`);
  const effects: Readonly<Record<string, (args: readonly string[]) => Partial<RunResult>>> = {
    mount: ([, type = '', , options = '', device = '', path = '']) => {
      if (!memory.entries.has(path)) return { exitCode: 32, stderr: `mount point ${path} does not exist` };
      put([...lines(), `${device} ${path} ${type} ${shown(options)} 0 0`]);
      Object.assign(memory.entries.get(path) ?? {}, rootOf(options));
      return {};
    },
    umount: ([path = '']) => {
      if (busy.has(path)) return { exitCode: 32, stderr: `umount: ${path}: target is busy.` };
      const at = lines().findLastIndex((line) => line.split(' ')[1] === path);
      if (at < 0) return { exitCode: 32, stderr: `umount: ${path}: not mounted.` };
      put(lines().filter((_, i) => i !== at));
      Object.assign(memory.entries.get(path) ?? {}, { mode: 0o755, uid: 0, gid: 0 });
      return {};
    },
    chmod: ([mode = '', path = '']) => {
      Object.assign(memory.entries.get(path) ?? {}, { mode: parseInt(mode, 8) });
      return {};
    },
    chown: ([owner = '', path = '']) => {
      const [uid, gid] = owner.split(':').map(Number);
      Object.assign(memory.entries.get(path) ?? {}, { uid, gid });
      return {};
    },
    systemctl: ([verb, name = '']) => {
      const link = `/etc/systemd/system/local-fs.target.wants/${name}`;
      if (verb === 'enable') memory.link(link, `/etc/systemd/system/${name}`);
      if (verb === 'disable') memory.entries.delete(link);
      return {};
    },
  };
  const run: Host['run'] = (command, args, options) => {
    const effect = effects[command];
    const line = [command, ...args].join(' ');
    if (effect !== undefined) memory.commands.set(line, () => ({ ...fine, ...effect(args) }));
    return memory.host.run(command, args, options);
  };
  return { ...memory.host, run };
}
