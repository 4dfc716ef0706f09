/** What ovs-vswitchd says of itself, taken apart. */

export interface PmdStats {
  readonly packets: number;
  readonly idleCycles: number;
  readonly busyCycles: number;
}

function numberAfter(text: string, label: string): number {
  const found = new RegExp(`^\\s*${label}: ?(\\d+)`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`Open vSwitch's statistics have no "${label}": ${text}`);
  return Number(found);
}

/**
 * The answer to `dpif-netdev/pmd-stats-show` for the one PMD thread there is. Its "processing cycles" are those of the
 * iterations that found a packet, of the same counter as the rounded percentages of `pmd-perf-show`.
 */
export function parsePmdStats(answer: string): PmdStats {
  const threads = answer.split(/^(?=\S)/m).filter((text) => text.startsWith('pmd thread'));
  const [only, another] = threads;
  if (only === undefined || another !== undefined) {
    throw new Error(`Open vSwitch has ${threads.length} PMD threads, not one: ${answer}`);
  }
  return {
    packets: numberAfter(only, 'packets received'),
    idleCycles: numberAfter(only, 'idle cycles'),
    busyCycles: numberAfter(only, 'processing cycles'),
  };
}

/**
 * What came in and went out by a port of the data path, from the answer to `dpctl/show -s`. Where a port before it
 * tells nothing, the line does not end.
 */
export function parsePortStats(answer: string, port: string): { rxPackets: number; txPackets: number } {
  const own = answer.split(/(?<= )(?=port \d+: )/).find((text) => new RegExp(`^port \\d+: ${port} `).test(text));
  if (own === undefined) throw new Error(`Open vSwitch has no port ${port}: ${answer}`);
  return { rxPackets: numberAfter(own, 'RX packets'), txPackets: numberAfter(own, 'TX packets') };
}

/** A column of key-value pairs as ovs-vsctl prints it: `{mode=server, status="a, b"}`. */
export function parseMap(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const [, key = '', quoted, bare] of text.matchAll(/([\w.-]+)=(?:"((?:[^"\\]|\\.)*)"|([^,}]*))/g)) {
    map.set(key, quoted ?? bare ?? '');
  }
  return map;
}

/** The answer to `version` and the database's column about DPDK, in one line. */
export function parseVersion(answer: string, dpdk: string): string {
  const version = /\(Open vSwitch\) (\S+)/.exec(answer)?.[1] ?? 'of unknown version';
  return `Open vSwitch ${version} (${dpdk.replaceAll('"', '')})`;
}
