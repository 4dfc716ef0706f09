import type { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import type { Place } from '../contenders/contender.js';
import type { NicContender } from './nic.js';
import { cardDevice } from './cases.js';
import type { NicCase } from './cases.js';
import { drops, startArgs, workerReading } from '../contenders/ours.js';

/** A fresh switch of this project with one port, and a card of DPDK's own as its uplink. */
export async function startOursWithNic(scope: Scope, c: NicCase, place: Place): Promise<NicContender> {
  const vswitch = await Switch.start(scope, { args: startArgs(place) });
  const { socket } = await vswitch.addPort('guest');
  return {
    name: 'vhost-host',
    socket,
    ready: async () => {
      const { features } = await vswitch.portReady('guest');
      // Not before: what there is to receive is then the guest's from the first frame on.
      await vswitch.addUplink({ name: 'nic', device: await cardDevice(c, vswitch.runDir), unknownUnicast: 'flood' });
      return features;
    },
    thread: () => workerReading(vswitch),
    reading: async () => {
      const { counters } = await vswitch.uplinkStats('nic');
      const packets = c.direction === 'receive' ? counters.txPackets : counters.rxPackets;
      return { ...(await workerReading(vswitch)), packets };
    },
    drops: () => drops(vswitch),
  };
}
