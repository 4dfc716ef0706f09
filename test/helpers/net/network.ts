import assert from 'node:assert/strict';
import type { GuestShell } from '../guests/guest-shell.js';
import { until } from '../until.js';

/** What Linux guests do with each other over the network. */

/** Fails unless every ping is answered. */
export async function ping(from: GuestShell, address: string, count = 5): Promise<void> {
  const output = await from.sh(`ping -c ${count} -i 0.2 -W 5 ${address}`, { deadline: 60_000 });
  const what = `${from.name} pings ${address}: ${output}`;
  assert.match(output, new RegExp(`${count} packets received, 0% packet loss`), what);
}

export interface LinkCounters {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
}

/** The guest's own counters of its network interface. */
export async function linkCounters(guest: GuestShell): Promise<LinkCounters> {
  const names = ['rx_packets', 'rx_bytes', 'tx_packets', 'tx_bytes'];
  const files = names.map((name) => `/sys/class/net/eth0/statistics/${name}`).join(' ');
  const [rxPackets = NaN, rxBytes = NaN, txPackets = NaN, txBytes = NaN] = (await guest.sh(`cat ${files}`))
    .trim()
    .split('\n')
    .map(Number);
  return { rxPackets, rxBytes, txPackets, txBytes };
}

const TRANSFER_DEADLINE_MS = 90_000;
const port = 5001;

/** Sends random data over TCP and compares the sums that both ends compute. */
export async function transfer(from: GuestShell, to: GuestShell, address: string, megabytes: number): Promise<void> {
  await to.sh('rm -f /tmp/sum');
  // With a program of its own as the reader: a plain `nc -l` with nothing to say would end the connection at once.
  const reader = `'md5sum >/tmp/sum.new; mv /tmp/sum.new /tmp/sum'`;
  await to.sh(`nc -l -p ${port} -e /bin/sh -c ${reader} >/dev/null 2>&1 &`);
  const listening = port.toString(16).toUpperCase().padStart(4, '0');
  await until(async () => (await to.run(`cat /proc/net/tcp /proc/net/tcp6 | grep -q ':${listening} '`)).status === 0, {
    deadline: 10_000,
    what: `${to.name} to listen`,
  });
  await from.sh(`head -c ${megabytes * 2 ** 20} /dev/urandom >/tmp/out`);
  await from.sh(`nc ${address} ${port} </tmp/out`, { deadline: TRANSFER_DEADLINE_MS });
  const wanted = await from.sh('md5sum </tmp/out; rm /tmp/out');
  const got = await until(
    async () => {
      const { status, output } = await to.run('cat /tmp/sum 2>/dev/null');
      return status === 0 && output;
    },
    { deadline: TRANSFER_DEADLINE_MS, what: `${to.name} to have all data` },
  );
  assert.equal(got, wanted, `data from ${from.name} to ${to.name}`);
}
