import type { Scope } from '../../helpers/scope.js';
import type { NicContender } from './nic.js';
import { beyondMac, cardDevice, guestMac } from './cases.js';
import type { NicCase } from './cases.js';
import { bridge, featuresOf, pmdReading, pmdThread } from '../contenders/ovs.js';
import type { Ovs } from '../contenders/ovs.js';
import { parsePortStats } from '../contenders/ovs-stats.js';

/** Names are not used twice: Open vSwitch may still hold the socket of the last port that it had. */
let serial = 0;

/**
 * A fresh port and a card of DPDK's own on a running Open vSwitch, gone with the scope. Its guest says nothing before
 * frames come for it, so the bridge is told where its address is.
 */
export async function addOvsNic(scope: Scope, { process }: Ovs, c: NicCase): Promise<NicContender> {
  const [guest, nic] = [`guest${++serial}`, `nic${serial}`];
  const receives = c.direction === 'receive';
  scope.defer('the ports of Open vSwitch', async () => {
    for (const port of [nic, guest]) await process.vsctl('--if-exists', 'del-port', bridge, port);
  });
  await process.vsctl('add-port', bridge, guest, '--', 'set', 'Interface', guest, 'type=dpdkvhostuser');
  return {
    name: 'Open vSwitch',
    socket: `${process.dir}/${guest}`,
    ready: async () => {
      const features = await featuresOf(process, guest);
      const device = await cardDevice(c, process.dir, serial);
      const set = ['set', 'Interface', nic, 'type=dpdk', `options:dpdk-devargs="${device}"`];
      if (receives) await process.appctl('fdb/add', bridge, guest, '0', guestMac);
      await process.vsctl('add-port', bridge, nic, '--', ...set);
      if (!receives) await process.appctl('fdb/add', bridge, nic, '0', beyondMac);
      return features;
    },
    thread: () => pmdThread(process.daemon.pid),
    reading: async () => {
      const { rxPackets, txPackets } = parsePortStats(await process.appctl('dpctl/show', '-s'), nic);
      return { ...(await pmdReading(process)), packets: receives ? rxPackets : txPackets };
    },
    drops: () => process.appctl('dpctl/show', '-s'),
  };
}
