import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { VhostHostError, messageOf } from '../../src/common/errors.js';
import { makeConsole } from '../../src/common/output.js';
import { logPath } from '../../src/switch/run-dir/paths.js';
import { Guest } from '../helpers/guests/guest.js';
import { root, tempDir } from '../helpers/paths.js';
import { recipeGuest } from '../helpers/host/recipe.js';
import { Scope, closeWithOutput } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';

/**
 * `npm run demo`: two guests, started by the old recipe's command line through qemu-wrap, ping each other through the
 * switch. Uses a run directory of its own, so that a switch of the user's goes on undisturbed.
 */

const logDir = `${root}build/log`;
const pings = 10;
const console = makeConsole('demo', process.stdout, process.stderr);
const scope = new Scope();

const guests = [
  { name: 'guest-a', mac: '52:54:00:00:00:0a', address: '192.168.77.1' },
  { name: 'guest-b', mac: '52:54:00:00:00:0b', address: '192.168.77.2' },
] as const;

/** Keeps what the switch and the guests said; the run directory goes away with the demo. */
function keepLog(name: string, text: () => string | Promise<string>): void {
  scope.defer(`the log of ${name}`, async () => writeFile(`${logDir}/demo-${name}.log`, await text()));
}

async function startSwitch(): Promise<Switch> {
  const runDir = await tempDir(scope);
  // Before the start, which may be what fails.
  keepLog('switch', () => readFile(logPath(runDir), 'utf8').catch(() => 'the switch wrote no log\n'));
  return Switch.launch(scope, { runDir });
}

async function bootGuest(vswitch: Switch, { name, mac, address }: (typeof guests)[number]): Promise<Guest> {
  const options = recipeGuest({ name, mac, runDir: vswitch.runDir });
  console.log(`  qemu-wrap -name guest=${name} … ${options.args.join(' ')}`);
  const guest = await Guest.start(scope, options);
  keepLog(name, () => guest.process.output);
  await guest.ready();
  await guest.address(`${address}/24`);
  return guest;
}

async function show(vswitch: Switch, command: string): Promise<void> {
  const { stdout } = await vswitch.cli(command);
  console.print(`$ vhost-host ${command}\n${stdout}`);
}

/** How many of the pings were answered. */
async function ping(from: Guest, address: string): Promise<number> {
  const { output } = await from.run(`ping -c ${pings} -i 0.2 -W 5 ${address}`, { deadline: 60_000 });
  return Number(/(\d+) packets received/.exec(output)?.[1] ?? 0);
}

async function demo(): Promise<number> {
  await mkdir(logDir, { recursive: true });
  const vswitch = await console.step('starting the switch', startSwitch);
  const [a] = await console.step('booting guest-a and guest-b through qemu-wrap', () =>
    Promise.all(guests.map((guest) => bootGuest(vswitch, guest))),
  );
  if (a === undefined) throw new Error('no guest');
  const replies = await console.step(`guest-a pings guest-b ${pings} times`, () => ping(a, guests[1].address));
  await show(vswitch, 'ports');
  await show(vswitch, 'stats');
  return replies;
}

/** The helpers' errors go on with what a process printed; that is in the logs. */
function inOneLine(error: unknown): VhostHostError {
  if (error instanceof VhostHostError) return error;
  return new VhostHostError('COMMAND_FAILED', messageOf(error).split('\n')[0] ?? '', { cause: error });
}

closeWithOutput(process.stdout);
let replies = 0;
let failed = false;
for (const work of [
  async () => (replies = await demo()),
  () => console.step('taking everything down', () => scope.close()),
]) {
  try {
    await work();
  } catch (error) {
    failed = true;
    await console.fail(inOneLine(error));
  }
}
if (failed || replies < pings) {
  process.exitCode = 1;
  console.log(`  less ${logDir}/demo-*.log`);
}
if (!failed) console.print(`demo: guest-a -> guest-b ${replies}/${pings} replies`);
