import { dirname } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import type { Host } from '../../host/host.js';

/**
 * Where sockets may lie as a service of systemd sees the file system (systemd.exec(5), "Sandboxing"): most of it is
 * read-only (ProtectSystem=), homes are not there (ProtectHome=), and a socket in the service's own /tmp (PrivateTmp=)
 * would be there for the switch and for no QEMU.
 */

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly readOnly: boolean;
}

function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** A line of /proc/self/mountinfo (proc_pid_mountinfo(5)): id, parent, device, root, mount point, options, … */
function parseMount(line: string): Mount | undefined {
  const [, , , root, point, options] = line.split(' ');
  if (root === undefined || point === undefined || options === undefined) return undefined;
  return { root: unescaped(root), point: unescaped(point), readOnly: options.split(',').includes('ro') };
}

/** The mount that a path is on: of those that cover it the deepest, and of several in one place the last. */
function mountOf(text: string, path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of text.split('\n').map(parseMount)) {
    if (mount === undefined || !`${path}/`.startsWith(mount.point === '/' ? '/' : `${mount.point}/`)) continue;
    if (found === undefined || mount.point.length >= found.point.length) found = mount;
  }
  return found;
}

/** The setting that stands against it, and what a file beside the unit would have to say instead. */
function against(
  { root, readOnly }: Mount,
  dir: string,
  service: boolean,
): { readonly reason: string; readonly setting: string } | undefined {
  if (/\/systemd-private-/.test(root)) return { reason: 'is one of its own', setting: 'PrivateTmp=no' };
  if (root.endsWith('/systemd/inaccessible/dir')) return { reason: 'is closed to it', setting: 'ProtectHome=no' };
  return readOnly && service ? { reason: 'is read-only for it', setting: `ReadWritePaths=${dir}` } : undefined;
}

const DROP_IN = '/etc/systemd/system/vhost-host.service.d/places.conf';

/** Throws where a port's socket cannot be, or nobody would find it, because the switch is a service. */
export async function refuseServicePlace(host: Host, name: string, socket: string): Promise<void> {
  const text = (await host.readOptional('/proc/self/mountinfo')) ?? '';
  const dir = dirname(socket);
  const mount = mountOf(text, (await host.realpath(dir)) ?? dir);
  const found = mount === undefined ? undefined : against(mount, dir, host.env('INVOCATION_ID') !== undefined);
  if (mount === undefined || found === undefined) return;
  const command = `printf '[Service]\\n${found.setting}\\n' | sudo tee -a ${DROP_IN}`;
  const plain = /^[\w./+-]+$/.test(dir);
  throw new VhostHostError(
    'PORT_FAILED',
    `port ${name}: ${dir} is no place for its socket: ${mount.point} ${found.reason}`,
    {
      hint: plain
        ? `another place, or: sudo mkdir -p ${dirname(DROP_IN)} && ${command} && sudo systemctl daemon-reload && sudo systemctl restart vhost-host`
        : `vhost-host ports add ${name}, without --socket`,
      details: { socket, place: mount.point },
    },
  );
}
