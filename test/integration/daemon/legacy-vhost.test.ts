import assert from 'node:assert/strict';
import { frame, readPcap } from '../../helpers/net/frames.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { tempDir } from '../../helpers/paths.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { RecordingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const mac = '02:00:00:00:00:0a';
const APP =
  '-p 0x1 --vm2vm 1 --mergeable 0 --stats 1 --rx-retry 1 --rx-retry-num 4 --rx-retry-delay 15 --zero-copy 0 --vlan-strip 1';

describe("DPDK's vhost example's command line", function () {
  this.timeout(60_000);
  const scope = freshScope();

  it('starts this switch: its first port is the uplink, guests get a tag there, the table is printed', async () => {
    const dir = await tempDir(scope());
    const eal = ['-c', 'f', '-n', '4', '--socket-mem', '128', '--huge-dir', '/mnt/huge'];
    const nic = ['--vdev', `net_pcap0,tx_pcap=${dir}/out`];
    const app = ['--', ...APP.split(' '), '--dev-basename', `${dir}/usvhost`];
    const vswitch = await Switch.start(scope(), { args: [...eal, ...nic, ...app] });
    const sent = frame({ to: broadcast, from: mac, length: 100 });
    const guest = await RecordingGuest.start(scope(), { socket: `${dir}/usvhost`, mac }, [sent]);
    const { features, vlan } = await vswitch.portReady('usvhost');
    assert.equal(vlan, 'auto');
    assert.ok(!features.includes('mrg_rxbuf'));
    await guest.go();
    const out = await until(
      async () => {
        const frames = await readPcap(`${dir}/out`);
        return frames.length > 0 && frames;
      },
      { deadline: 20_000, what: 'the frame at the uplink' },
    );
    assert.deepEqual(out, [frame({ to: broadcast, from: mac, length: 104, vlan: 1000 })]);
    await vswitch.says(/^ 0 +usvhost +1 +100 /m);
    await vswitch.says(/^256 +port0 +0 +0 +1 +104 /m);
    await vswitch.says(new RegExp(`^DATA: \\(0\\) MAC_ADDRESS ${mac} and VLAN_TAG 1000 registered$`, 'm'));
    await vswitch.says(/^--huge-dir: not needed, hugepages are taken without a mount$/m);
  });
});
