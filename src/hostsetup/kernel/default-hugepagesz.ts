import { shortSize } from '../../common/bytes.js';
import type { HostFacts } from '../facts/index.js';
import { Look } from '../../host/tolerant-reader.js';
import { pageBytes } from './hugepage-args.js';
import { nextCommandLine } from '../boot/plan.js';
import type { KernelArgsSpec } from './spec.js';
import { findPagesElsewhere } from '../hugepages/at-boot/elsewhere.js';
import { nextStart } from '../hugepages/plan.js';
import { defaultPageSize } from '../hugepages/at-boot/kernel.js';
import { readDefaultSizeUsers } from '../hugepages/at-boot/read.js';
import type { Host } from '../../host/host.js';

/**
 * The default size of pages is what others mean who name none: with 1G in the place of 2M, a `vm.nr_hugepages = 1024`
 * of a database would ask for a terabyte, and the host might not start. So it stays where somebody counts on it.
 */
export async function keepDefaultSize(
  host: Host,
  facts: HostFacts,
  spec: KernelArgsSpec | undefined,
): Promise<{ readonly spec: KernelArgsSpec | undefined; readonly notes: readonly string[] }> {
  if (spec?.hugepages === undefined || spec.hugepages === 'none') return { spec, notes: [] };
  const { defaultSize, ...hugepages } = spec.hugepages;
  const start = await nextStart(host, facts.pools, await nextCommandLine(host));
  const size = defaultPageSize(start.line, start.implicit);
  if (defaultSize === undefined || pageBytes(defaultSize) === size) return { spec, notes: [] };
  const look = new Look(host);
  const scripts = (await findPagesElsewhere(look)).filter(({ text }) => /\bvm[./]nr_hugepages/.test(text));
  const users = [
    ...(await readDefaultSizeUsers(look, start)),
    ...scripts.map(({ path, line }) => `${path}:${line}`),
    ...facts.mounts.kept
      .filter((mount) => mount.sizeless && !mount.systems)
      .map(({ path, source }) => `${source} (${path})`),
  ];
  const [first] = users;
  if (first === undefined) return { spec, notes: [] };
  const note = `the default size of pages stays ${shortSize(size)}, because ${first} means it without saying so`;
  return { spec: { ...spec, hugepages }, notes: [note] };
}
