import { info, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';
import { dpdkNumbers } from '../facts/dpdk.js';

/** Known vulnerabilities of DPDK in what the switch uses of it, by version. */

interface Vulnerability {
  readonly id: string;
  readonly title: string;
  /** The first release of each series that is without it, in order; a series beyond the last has none of it. */
  readonly fixed: readonly string[];
  /** Why no guest reaches it through the switch. */
  readonly kept: string;
}

/** Sources: CVE records; DPDK's release notes; Debian's changelog of dpdk. Of DPDK 22.11 and newer, which the switch needs. */
const KNOWN: readonly Vulnerability[] = [
  {
    id: 'CVE-2026-100236',
    title: 'librte_gso copies headers without looking at their length',
    fixed: [],
    kept: 'the switch looks at them before it calls it',
  },
  {
    id: 'CVE-2024-11614',
    title: 'a guest makes librte_vhost read behind its frame',
    fixed: ['22.11.7', '23.11.3', '24.11.1'],
    kept: "the switch takes frames out of guests' rings by itself",
  },
];

type Numbers = readonly number[];

function numbersOf(version: string): Numbers {
  return version.split('.').map(Number);
}

function isBefore(a: Numbers, b: Numbers): boolean {
  const at = b.findIndex((number, i) => number !== (a[i] ?? 0));
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

/** `24.11` is `24.11.0`. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  return !isBefore(a, b) && !isBefore(b, a);
}

const seriesOf = (version: Numbers): Numbers => version.slice(0, 2);

/** Whether a version has it, by the releases that fixed it. */
function has(version: Numbers, { fixed }: Vulnerability): boolean {
  const releases = fixed.map(numbersOf);
  const own = releases.find((release) => seriesOf(release).join() === seriesOf(version).join());
  const first = own ?? seriesOf(releases.at(-1) ?? [Infinity]);
  return isBefore(version, first);
}

function said(version: string, { id, title, kept }: Vulnerability): Outcome {
  return info(
    `DPDK ${version} has ${id} (${title}), unless its packager has fixed it; no guest gets that far: ${kept}`,
  );
}

/** The one that a switch runs with counts more than the one that is installed by now. */
function vulnerabilities({ host, around }: Subject): Outcome[] {
  const version = dpdkNumbers(around.dpdk ?? host.dpdk);
  if (version === undefined) return [];
  const found = KNOWN.filter((known) => has(numbersOf(version), known)).map((known) => said(version, known));
  if (around.dpdk === undefined || host.dpdk === undefined || isSame(host.dpdk, version)) return found;
  const text = `the switch runs with DPDK ${version}, while ${host.dpdk} is installed by now`;
  return [...found, warning(text, 'sudo systemctl restart vhost-host')];
}

export const DPDK_CHECKS: readonly Check[] = [
  {
    id: 'dpdk',
    title: 'vulnerabilities of DPDK',
    group: 'system',
    live: false,
    states: ['info', 'warning'],
    run: vulnerabilities,
  },
];
