import { spawn, spawnSync } from 'node:child_process';
import { renameSync, unlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/**
 * Stands between libvirt and the QEMU that it asks for its abilities, and says that KVM works: the one word that libvirt
 * takes no domain with vhost without. Guests are emulated all the same (`qemu-tcg`). Arguments: the emulator, and what
 * libvirt has given it.
 */

const WAIT_MS = 30_000;
const NO_KVM = '"enabled": false, "present": true';

/** Where libvirt is going to connect. */
const socketIn = (args: readonly string[]): string =>
  /^unix:([^,]+)/.exec(args[args.indexOf('-qmp') + 1] ?? '')?.[1] ?? '';

/** One connection, until either side has enough of it. */
function relay(socket: string): void {
  const emulator = connect(`${socket}.qemu`, () => {
    const server = createServer((libvirt) => {
      clearTimeout(nobody);
      server.close();
      libvirt.pipe(emulator);
      let rest = '';
      emulator.on('data', (data) => {
        const lines = (rest + data.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) libvirt.write(`${line.replace(NO_KVM, NO_KVM.replace('false', 'true'))}\n`);
      });
      const end = (): never => process.exit(0);
      for (const side of [libvirt, emulator]) side.on('close', end).on('error', end);
    });
    const nobody = setTimeout(() => process.exit(1), WAIT_MS);
    server.listen(`${socket}.ours`, () => {
      unlinkSync(`${socket}.qemu`);
      // libvirt may connect as soon as the name is there.
      renameSync(`${socket}.ours`, socket);
      process.send?.('listening');
      process.disconnect();
    });
  });
}

function main([emulator = '', ...args]: string[]): void {
  const socket = socketIn(args);
  if (emulator === '--relay') {
    relay(socket);
    return;
  }
  const moved = args.map((arg) => arg.replace(`unix:${socket},`, `unix:${socket}.qemu,`));
  const { status } = spawnSync(emulator, moved, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as const;
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--relay', ...args], {
    detached: true,
    stdio: [...stdio],
  });
  child.on('message', () => process.exit(0)).on('exit', () => process.exit(1));
}

main(process.argv.slice(2));
