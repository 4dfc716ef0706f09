import { VhostHostError, messageOf } from '../../src/common/errors.js';
import { makeConsole } from '../../src/common/output.js';
import { closeWithOutput, withScope } from '../helpers/scope.js';
import type { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { reserveHugepages } from '../helpers/host/hugepages.js';
import { measureNicRows, measureRows } from './bench.js';
import { allCases } from './cases.js';
import { MOST_TIMES_NODE, commandLineTable, measureCommandLine } from './calls/command-line.js';
import { nicCases } from './nic/cases.js';
import type { Place } from './contenders/contender.js';
import { writeDocs } from './report/docs.js';
import { measureLatency } from './latency.js';
import { allowedCpus, machineFacts } from './machine.js';
import { measureMemory } from './memory.js';
import { runMicro } from './micro.js';
import { parseOptions, usage } from './options.js';
import type { Options } from './options.js';
import { startOvs } from './contenders/ovs.js';
import type { Ovs } from './contenders/ovs.js';
import { whyNoOvs } from './contenders/ovs-process.js';
import { render } from './report/render.js';
import { failed } from './report/report.js';
import type { Report } from './report/report.js';
import { aligned } from './report/table.js';
import { measureWrap, wrapTable } from './calls/wrap.js';

/** `npm run bench`: throughput of this switch, guest to guest and to the network, beside Open vSwitch with DPDK. See docs/performance.md. */

/** Open vSwitch takes 1 GiB by itself for frames of 1500 bytes; testpmd and our switch share the rest. */
const hugepagesMb = 1536;
const hugepagesAloneMb = 512;

const console = makeConsole('bench', process.stdout, process.stderr);

function whyNoPeer({ peer }: Options, noHugepages: string | null): string | null {
  if (!peer) return 'left out by --no-ovs';
  if (noHugepages !== null) return `it does not run without hugepages: ${noHugepages}`;
  return whyNoOvs() ?? null;
}

async function versionOf(place: Place): Promise<string> {
  return withScope(async (scope) => {
    const args = place.hugepages ? [] : ['--hugepages', 'off'];
    const { version, dpdk, instructionSet } = await (await Switch.start(scope, { args })).status();
    return `vhost-host ${version} (${dpdk}, ${instructionSet})`;
  });
}

async function bench(scope: Scope, options: Options): Promise<Report> {
  const [switchCpu, guestCpu] = await allowedCpus();
  if (switchCpu === undefined || guestCpu === undefined) {
    throw new VhostHostError('USAGE', 'the measurement needs two CPUs: one for the switch, one for the guests');
  }
  const wantedMb = options.peer && whyNoOvs() === undefined ? hugepagesMb : hugepagesAloneMb;
  const noHugepages = options.hugepages
    ? ((await reserveHugepages(scope, wantedMb)) ?? null)
    : 'left out by --no-hugepages';
  const place = { switchCpu, guestCpu, hugepages: noHugepages === null };
  let peerReason = whyNoPeer(options, noHugepages);
  let ovs: Ovs | undefined;
  if (peerReason === null) {
    ovs = await startOvs(scope, place).catch((error: unknown) => void (peerReason = messageOf(error)));
  }
  if (peerReason !== null) console.log(`no comparison with Open vSwitch: ${peerReason}`);
  const { rounds, windows, seconds } = options;
  const switchVersion = await versionOf(place);
  const plan = { rounds, pace: { windows, seconds }, place, ovs };
  const rows = await measureRows(options.cases, plan, console);
  const nic = await measureNicRows(options.nicCases, plan, console);
  return {
    machine: await machineFacts(),
    ...{ switchVersion, peer: ovs?.version ?? null, peerReason },
    ...{ hugepages: place.hugepages, hugepagesReason: noHugepages },
    ...{ switchCpu, guestCpu, rounds, windows, seconds, rows, nic },
    memory: options.memory ? await console.step('memory of the daemon', () => measureMemory(place)) : null,
    latency: options.latency ? await console.step('first frame after idle', () => measureLatency(place)) : null,
    micro: null,
  };
}

async function run(options: Options): Promise<void> {
  const switches = await withScope((scope) => bench(scope, options));
  // After all else has ended: it wants both cores too.
  const micro =
    options.micro === 0
      ? null
      : await console.step('ring to ring', () => withScope((scope) => runMicro(scope, options.micro)));
  const report = { ...switches, micro };
  for (const line of options.json ? [JSON.stringify(report, undefined, 2)] : render(report)) console.print(line);
  if (options.writeDocs) await writeDocs(report);
  const broken = [...report.rows, ...report.nic].filter(({ ours, peer }) => failed(ours) || failed(peer));
  if (broken.length === 0) return;
  throw new VhostHostError('COMMAND_FAILED', `no figures of ${broken.map(({ id }) => id).join(', ')}`);
}

async function runWrap({ wrap, json }: Options): Promise<void> {
  const rows = await console.step('starts through qemu-wrap', () => withScope((scope) => measureWrap(scope, wrap)));
  for (const line of json ? [JSON.stringify({ wrap: rows }, undefined, 2)] : aligned(wrapTable(rows)))
    console.print(line);
}

async function runCommandLine({ commandLine, json }: Options): Promise<void> {
  const rows = await console.step('answers', () => withScope((scope) => measureCommandLine(scope, commandLine)));
  const lines = json ? [JSON.stringify({ commandLine: rows }, undefined, 2)] : aligned(commandLineTable(rows));
  for (const line of lines) console.print(line);
  const slow = rows.filter(({ ratio }) => ratio > MOST_TIMES_NODE);
  if (slow.length === 0) return;
  const names = slow.map(({ command }) => command).join(', ');
  throw new VhostHostError('COMMAND_FAILED', `more than ${MOST_TIMES_NODE.toFixed(2)} times as long as Node: ${names}`);
}

closeWithOutput(process.stdout);
try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) for (const line of usage) console.print(line);
  else if (options.list) for (const { id } of [...allCases, ...nicCases]) console.print(id);
  else if (options.wrap > 0) await runWrap(options);
  else if (options.commandLine > 0) await runCommandLine(options);
  else await run(options);
} catch (error) {
  process.exitCode = 1;
  await console.fail(error instanceof VhostHostError ? error : new VhostHostError('COMMAND_FAILED', messageOf(error)));
}
