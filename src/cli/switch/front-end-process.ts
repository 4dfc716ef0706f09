import { printable } from '../../common/errors.js';
import type { Host } from '../../host/host.js';

/** Who is connected to a port, told from the command lines of the processes that run: the switch only sees a connection. */
export interface FrontEnd {
  /** The guest's name; undefined of a process that says none, such as a DPDK application. */
  readonly guest: string | undefined;
  /** As users know it. */
  readonly title: string;
}

/** Whether the words name exactly this socket, as an option's value or in JSON. */
function names(words: readonly string[], socket: string): boolean {
  return words.some((word) => {
    const at = word.indexOf(socket);
    return at !== -1 && /^$|^[,"]/.test(word.slice(at + socket.length));
  });
}

/** `-name web`, `-name guest=web,debug-threads=on`; a comma in a name is doubled. */
function guestOf(words: readonly string[]): string | undefined {
  const value = words[words.findIndex((word) => /^--?name$/.test(word)) + 1];
  if (value === undefined || value === words[0]) return undefined;
  const name = /^(?:guest=)?((?:[^,]|,,)*)/.exec(value)?.[1]?.replaceAll(',,', ',');
  return name === '' ? undefined : name;
}

/** undefined where none of the processes that may be seen has the socket on its command line. */
export async function findFrontEnd(
  host: Pick<Host, 'list' | 'readOptional'>,
  socket: string,
): Promise<FrontEnd | undefined> {
  for (const pid of await host.list('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    // One may end, or not be ours to see, between the list and the look.
    const text = (await host.readOptional(`/proc/${pid}/cmdline`).catch(() => undefined)) ?? '';
    const words = text.split('\0');
    // Our own commands name sockets, too, and connect to none.
    if (!names(words, socket) || words.some((word) => /vhost-host$|cli\/main\.js$/.test(word))) continue;
    const guest = guestOf(words);
    const program = printable((words[0] ?? '').replace(/.*\//, ''));
    return { guest, title: guest === undefined ? `${program}, process ${pid}` : `${printable(guest)}, process ${pid}` };
  }
  return undefined;
}
