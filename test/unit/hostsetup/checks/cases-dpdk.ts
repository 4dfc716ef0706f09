import type { MemoryHost } from '../../host/memory-host.js';
import type { Row } from './support.js';
import { debian12 } from '../systems.js';

/** DPDK's version, from a switch or from files. */

const packaged = (version: string): MemoryHost =>
  debian12().file(
    '/var/lib/dpkg/status',
    `Package: librte-eal23\nStatus: install ok installed\nVersion: 1.0\n\n` +
      `Package: librte-vhost23\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\n`,
  );
const built = (version: string): MemoryHost =>
  debian12().file('/usr/local/lib/aarch64-linux-gnu/pkgconfig/libdpdk.pc', `Name: DPDK\nVersion: ${version}\n`);

export const DPDK_CASES: readonly Row[] = [
  ['a new DPDK', { on: packaged('22.11.11-0+deb12u1') }, 'dpdk info', /\nDPDK 22\.11\.11 has CVE-2026-100236 /],
  ['a DPDK before its fix', { on: packaged('1:22.11.6-1') }, 'dpdk info', /22\.11\.6 has CVE-2024-11614 /],
  ['one of a series that was never fixed', { on: built('24.07.0') }, 'dpdk info', /CVE-2024-11614 /],
  ['one of the first release', { on: built('24.11') }, 'dpdk info', /24\.11 has CVE-2024-11614 /],
  ['one that runs', { around: { dpdk: 'DPDK 23.11.2' } }, 'dpdk info', /23\.11\.2 has CVE-2024-11614 /],
  [
    'one that was replaced under the switch',
    { on: packaged('24.11.3-1'), around: { dpdk: 'DPDK 24.11.1' } },
    'dpdk warning',
    /runs with DPDK 24\.11\.1, while 24\.11\.3 is installed.*restart/s,
  ],
  ['the one that is installed', { on: packaged('24.11-1'), around: { dpdk: 'DPDK 24.11.0' } }, 'dpdk info', /CVE/],
];
