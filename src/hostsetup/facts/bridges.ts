import type { Look } from '../../host/tolerant-reader.js';

/** The processes that serve devices /dev/usvhost-N (`native/cuse`), and whether they can get at guests' memory. */

export interface BridgeFacts {
  readonly pid: number;
  /** Capabilities that it would need and lacks. */
  readonly lacking: readonly string[];
  /** It sees processes of its own PID namespace only, and so no guest. */
  readonly apart: boolean;
}

/** As the process names itself. */
const NAME = 'vh-cuse-bridge';
/** By bit (linux/capability.h): descriptors and mappings of other users' processes, and files that are only theirs. */
const NEEDED: Readonly<Record<number, string>> = { 19: 'CAP_SYS_PTRACE', 2: 'CAP_DAC_READ_SEARCH' };

/** From /proc/PID/status (proc_pid_status(5)): `CapEff` is a mask, `NSpid` has a number per nested namespace. */
function parseStatus(pid: number, status: string): BridgeFacts {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: number): boolean => ((mask >> BigInt(bit)) & 1n) === 1n;
  const lacking = Object.entries(NEEDED).flatMap(([bit, name]) => (has(Number(bit)) ? [] : [name]));
  const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  return { pid, lacking, apart: numbers.length > 1 };
}

export async function readBridges(look: Look): Promise<BridgeFacts[]> {
  const found: BridgeFacts[] = [];
  for (const pid of await look.list('/proc')) {
    if (!/^\d+$/.test(pid) || (await look.text(`/proc/${pid}/comm`)) !== NAME) continue;
    const status = await look.text(`/proc/${pid}/status`);
    // It may have ended meanwhile.
    if (status !== '') found.push(parseStatus(Number(pid), status));
  }
  return found.sort((a, b) => a.pid - b.pid);
}
