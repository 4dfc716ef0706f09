// Plans one guest of libvirt's as qemu-wrap does, and keeps the code that V8 made for it: `node compile-planner.mjs`.
// A process of its own, because the planner uses its process's arguments, stdin and stdout.
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TaskError, ask, root, runLogged } from './task.mjs';

const dir = join(root, 'build/bundle/cli');
const program = join(dir, 'wrap-plan');
const ours = (name) => import(pathToFileURL(join(root, 'build/src', name)));

const runDir = '/nonexistent/vhost-host';

const body = JSON.stringify({ socket: `${runDir}/port-a-hostnet0.sock` });
const http = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
/** What the launcher brings from the switch. */
const launcherSays = `0 ${http.length}\n${http}`;

const call = [
  ...['-name', 'guest=a,debug-threads=on', '-S', '-uuid', '00000000-0000-4000-8000-000000000000'],
  ...['-machine', 'pc-q35-7.2,usb=off,memory-backend=pc.ram', '-accel', 'kvm', '-m', '256'],
  ...['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}'],
  ...['-mon', 'chardev=charmonitor,id=monitor,mode=control'],
  ...['-netdev', '{"type":"tap","fd":"31","vhost":true,"vhostfd":"33","id":"hostnet0"}'],
  ...['-device', '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","bus":"pci.1","addr":"0x0"}'],
];

/** Tells this text of the planner from others: V8 itself looks at no more than its length. */
export function textOfPlanner() {
  return createHash('sha256')
    .update(readFileSync(`${program}.js`))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Makes the planner ready for one Node: its code, and a line that spares the launcher to ask this very file for its
 * version.
 */
export async function preparePlannerFor(node) {
  const version = (await ask(node, ['--version']))?.trim() ?? '';
  const { CHECKS_CODE, nodeFlags } = await ours('common/node-flags.js');
  const flags = nodeFlags('planner', version);
  if (flags === undefined) throw new TaskError(`${node} is Node ${version}, which the planner does not run on`);
  if (flags.includes(CHECKS_CODE))
    await runLogged('bundle', node, [...flags, '.ci/lib/compile-planner.mjs'], { input: launcherSays });
  const { ino, size, mtimeNs } = statSync(node, { bigint: true });
  const [seconds, nanoseconds] = [mtimeNs / 1_000_000_000n, mtimeNs % 1_000_000_000n];
  appendFileSync(join(dir, 'node.seen'), `${ino} ${size} ${seconds} ${nanoseconds} ${version}\n`);
}

async function compile() {
  process.argv = [process.execPath, `${program}.js`, 'plan', '/bin/true', '', ...call];
  process.env.VHOST_HOST_RUN_DIR = runDir;
  // Nobody is there to wait with for hugepages that this machine has.
  process.env.VHOST_HOST_WRAP_HUGEPAGES = 'off';
  const { codePath, load } = await ours('cli/wrap/code-cache.js');
  const text = textOfPlanner();
  const output = codePath(program, text);
  // Not made of itself.
  rmSync(output, { force: true });
  const { script, run } = load(program, text);
  process.on('exit', (code) => {
    if (code !== 0) return;
    // In one step: nobody may start with half of it.
    writeFileSync(`${output}.new`, script.createCachedData());
    renameSync(`${output}.new`, output);
  });
  run(createRequire(`${program}.js`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await compile();
