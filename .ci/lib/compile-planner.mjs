// Plans one guest of libvirt's as qemu-wrap does, and keeps the code that V8 made for it: `node compile-planner.mjs DIR`.
// A process of its own, because the planner uses its process's arguments, stdin and stdout; `launcherSays` is for stdin.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const runDir = '/nonexistent/vhost-host';

const body = JSON.stringify({ socket: `${runDir}/port-a-hostnet0.sock` });
const http = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
/** What the launcher brings from the switch. */
export const launcherSays = `0 ${http.length}\n${http}`;

const call = [
  ...['-name', 'guest=a,debug-threads=on', '-S', '-uuid', '00000000-0000-4000-8000-000000000000'],
  ...['-machine', 'pc-q35-7.2,usb=off,memory-backend=pc.ram', '-accel', 'kvm', '-m', '256'],
  ...['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}'],
  ...['-mon', 'chardev=charmonitor,id=monitor,mode=control'],
  ...['-netdev', '{"type":"tap","fd":"31","vhost":true,"vhostfd":"33","id":"hostnet0"}'],
  ...['-device', '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","bus":"pci.1","addr":"0x0"}'],
];

async function compile(dir) {
  const path = join(dir, 'wrap-plan');
  process.argv = [process.execPath, `${path}.js`, 'plan', '/bin/true', '', ...call];
  process.env.VHOST_HOST_RUN_DIR = runDir;
  const { load } = await import(pathToFileURL(join(dir, '../../src/quick-start.js')));
  const program = load(path);
  process.on('exit', (code) => {
    if (code === 0) writeFileSync(`${path}.code`, program.script.createCachedData());
  });
  program.run(createRequire(`${path}.js`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await compile(process.argv[2]);
