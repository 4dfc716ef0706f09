import { qemuIdentity, socketTrouble } from '../../libvirt/install/qemu-user.js';
import type { Port } from '../../switch/model/schema.js';
import type { Host } from '../../host/host.js';

const QEMU_CONF = '/etc/libvirt/qemu.conf';

/**
 * The switch does not hear of who may not connect. So where nobody is connected, the socket is compared with the user
 * that libvirt runs QEMU as, if there is one; a guest whose domain names another user is the affair of `vm check`.
 */
export async function explainWaiting(host: Host, ports: readonly Port[]): Promise<Port[]> {
  const conf = await host.readOptional(QEMU_CONF).catch(() => undefined);
  if (conf === undefined) return [...ports];
  return await Promise.all(ports.map((port) => explain(host, port, conf)));
}

async function explain(host: Host, port: Port, conf: string): Promise<Port> {
  if (port.missing?.reason !== 'no_front_end' || !port.transports.includes('user')) return port;
  const who = await qemuIdentity(host, conf, undefined);
  const trouble = await socketTrouble(host, port.socket, who).catch(() => undefined);
  if (trouble === undefined) return port;
  const hint = `"socket": { "group": … } of the switch's configuration: a group that ${who.name} is in`;
  return { ...port, missing: { reason: 'permission', text: `${port.socket}: ${trouble}`, hint } };
}
