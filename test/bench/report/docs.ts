import { mkdir, writeFile } from 'node:fs/promises';
import { root } from '../../helpers/paths.js';
import { newestOf } from '../micro.js';
import { disturbedNote, facts } from './render.js';
import { isDisturbed } from './report.js';
import type { NicRow, Report } from './report.js';
import { chart } from './svg.js';
import {
  conditionsTable,
  failures,
  featuresTable,
  figuresTable,
  latencyTable,
  markdown,
  memoryTable,
  nicTable,
} from './table.js';
import { foreignLimit } from '../windows.js';

/** docs/performance.md, written from a report and never by hand. */

const rig = `
One worker of the switch runs on one core, two guests on another: a \`dpdk-testpmd\` with two virtio-user ports that
forwards what comes at one port to the other, so that frames circle through the switch as fast as the slower of the two
cores allows. Both switches meet the same guests with the same options, in turn, in one run.

- **Frames** are counted by the guests. Lengths are without Ethernet's checksum; IMIX is 7 of 64, 4 of 594 and 1 of
  1518 bytes, mixed. Frames of 9000 bytes take five receive buffers, so only rings with mergeable buffers have them.
- **Frames in flight** are half a ring in each direction, so that no ring can fill up: nothing has to be lost. At the end
  of every round all frames are taken out of the circle, counted, and compared byte for byte with what was put in; a
  frame that is wrong, foreign or twice there fails the row. **Lost** counts those missing, by the guests' own decision
  / for any other reason.
- **Cycles per frame** are those of the time stamp counter in rounds that moved a frame, divided by the frames: ours from
  the worker's counters, Open vSwitch's from its \`pmd-stats-show\` ("processing cycles", the counter that
  \`pmd-perf-show\` prints as busy iterations). **Busy** is their share of all cycles.
- **csum** rows: the guests compute every frame's UDP checksum in software and so read every byte. The frames start
  with a wrong checksum and are checked for the right one at the end. In all other rows guests read the headers only,
  which flatters both switches: the payload stays in the cache of the switch's core.
- **Windows** in which one of the two threads missed more than ${foreignLimit * 100} % of its CPU, by the kernel's account of its run
  time or by the host's steal, do not count and are taken again, up to four times the wanted number. Rates are medians
  of the windows; cycles are lower quartiles, since being interrupted in the middle of a round only ever adds to them.
  \`(+n)\` are windows thrown away; \`!\` marks a row without a clean one, which shows the least disturbed.
- Ring names say what the guests ask for: mergeable buffers where nothing else is said, \`vec\` (vectorised, without
  mergeable buffers) and \`inorder\`. What the driver made of it is listed below; testpmd's packed vectorised
  functions need AVX-512, its split ones exclude in-order.
`;

const limits = `
Where the switch's core is not fully busy the guests' core is the limit, and the frame rate says nothing more about the
switch: cycles per frame is the figure that counts there. It is then a little too high, because small batches cost more
for each frame. A switch that is the limit itself gets full batches.

The copy of a large frame costs what it takes to bring its lines from the core that used them last. Two threads that only
hand frames of 1500 bytes to each other, with no rings and no lookup, needed for it on an AMD EPYC of the third
generation some 135 cycles while the payload stayed in one core's cache, 335 where the buffers did not fit into it, and
430 to 550 where the other core read and wrote every byte.

On a virtual machine the two CPUs are not always the same two cores. Where this was written, a line's way to the other CPU
and back took between 100 and 400 ns, and changed from one minute to the next: near cores share a cache, far ones do not.
With rings of 1024 the guests' buffers and their descriptions (4 rings, 128 bytes of description and two or more lines
of buffer each) fit no core's own cache, and testpmd's pool of 16384 buffers fits none at all: what a frame costs the
guests depends on whether the buffers freed last are used next. A driver that is given back a whole ring of frames at
once loses that order; so the switch lets the last 32 of a round linger (docs/internals/decisions.md).
`;

const nicText = `
DPDK's \`net_pcap\`, repeating a file, and \`net_null\` are the card: frames come as fast as they are taken, and all are
taken that are sent, so that what is left is the switch and the guest's ring. **receive**: from the card to a guest that takes frames and frees them
(\`rxonly\`); **transmit**: from a guest that makes frames (\`txonly\`) to the card. Both switches have the same device and
guest, in turn, in one run.

- **Frames per core** is the ratio that counts: frames that came through for each busy cycle of the switch's core, ours
  divided by theirs. The switch's clock and the counter at the far end are read together: frames that were taken and
  could not be delivered cost cycles and count for nothing. They are the share under **dropped**. On receive a switch
  that is faster than the guest must drop, since the card never has less to give.
- **The same work for both**: Open vSwitch is told in its table where the guest's address is, and where the address
  beyond the card is that the guest sends to. Ours is told nothing: it looks both up in vain and floods to the one port there is.
- The frames that come are few and always the same, so their payload stays in the cache of the switch's core; what is
  copied into the guest's ring, and out of it, comes and goes as in the rows above.
`;

const latencyText = `
Median time from guest to guest of a single frame after nothing went on for a while: by a switch that polls all the time
(\`--poll busy\`) and by one whose worker sleeps until the sender's kick (\`--poll adaptive\`, the default).
`;

const repeat = `
\`\`\`sh
npm run bench -- --micro --write-docs     # everything in this document; as root, on a quiet machine with two CPUs
npm run bench -- --rows '^split/1500'     # some rows; --list shows the names, --help the rest
npm run bench -- --nic                    # the rows of the network side alone
npm run bench -- --json                   # for machines
\`\`\`

Debian's Open vSwitch is fetched and unpacked below \`build/ovs\`, not installed; it runs in directories and a network of
its own. 2M hugepages are reserved for the run and given back. Without root or hugepages only this switch is measured.
`;

function section(title: string, ...lines: readonly string[]): string[] {
  return ['', `## ${title}`, '', ...lines.map((line) => line.replace(/^\n|\n$/g, ''))];
}

function nicSection(nic: readonly NicRow[]): string[] {
  return nic.length === 0 ? [] : section('The network side', nicText, '', ...markdown(nicTable(nic)));
}

export function document(report: Report): string {
  const { rows, nic } = report;
  const memory = memoryTable(report);
  const latency = latencyTable(report);
  const broken = failures([...rows, ...nic]);
  return [
    '<!-- Written by `npm run bench -- --write-docs`; changes by hand are lost. -->',
    '# Performance',
    '',
    ...facts(report).map((line) => `- ${line}`),
    '',
    '![Bar chart of the figures below](performance.svg)',
    ...section('Guest to guest', ...markdown(figuresTable(rows))),
    ...([...rows, ...nic].some(isDisturbed) ? ['', disturbedNote] : []),
    ...(broken.length === 0 ? [] : ['', ...broken.map((line) => `- failed: ${line}`)]),
    ...nicSection(nic),
    ...section('How it is measured', rig),
    ...section('What limits each row', ...markdown(conditionsTable(rows)), '', limits),
    ...section('What was negotiated', ...markdown(featuresTable(rows))),
    ...(memory === undefined ? [] : section('Memory of the daemon', ...markdown(memory))),
    ...(latency === undefined ? [] : section('First frame after an idle time', latencyText, '', ...markdown(latency))),
    ...microSections(report),
    ...section('How to repeat it', repeat),
    '',
  ].join('\n');
}

const microText = `
The switch's core alone: two mock guests in one process, no DPDK, beside a plain \`memcpy\` of the same bytes between the
same buffers. Median cycles per frame. "one thread": the guests' work happens on the same core, between the timings;
"two": on another core, and "touched": they also read and write every byte. \`mrg\`: receive buffers of 2048 bytes, as
many as a frame needs; \`ind\`: header and frame apart in an indirect table on both sides. "N addresses": so many are
learned, and the frames go to all of them in turn.
`;

function microSections({ micro }: Report): string[] {
  if (micro === null) return [];
  return section(
    'Ring to ring',
    microText,
    ...newestOf(micro).flatMap(({ title, columns, rows }) => [
      '',
      `${title}:`,
      '',
      ...markdown({ head: columns, rows }),
    ]),
  );
}

export async function writeDocs(report: Report): Promise<void> {
  await mkdir(`${root}docs`, { recursive: true });
  await writeFile(`${root}docs/performance.md`, document(report));
  await writeFile(`${root}docs/performance.svg`, chart(report));
}
