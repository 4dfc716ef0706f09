import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { GuestShell } from '../guest-shell.js';
import type { Scope } from '../../scope.js';

/** Whether it is a whole HTTP request, as our client makes them. */
function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = Number(/^content-length: (\d+)\r$/im.exec(text)?.[1] ?? 0);
  return end !== -1 && Buffer.byteLength(text.slice(end + 4)) >= length;
}

/** A socket here that stands for one in a machine: a request becomes a command there (frontend/ask.c). */
export async function bridge(scope: Scope, shell: GuestShell, here: string, there: string): Promise<void> {
  const open = new Set<Socket>();
  const carry = async (socket: Socket, request: string): Promise<void> => {
    const encoded = Buffer.from(request).toString('base64');
    const { output } = await shell.run(`echo ${encoded} | base64 -d | ask ${there}`);
    socket.end(output);
  };
  const server = createServer((socket) => {
    let request = '';
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      request += chunk.toString();
      // An error there is an end without an answer here.
      if (isWhole(request)) void carry(socket, request).catch(() => socket.destroy());
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(here, resolve);
  });
  scope.defer(`bridge ${here}`, () => {
    for (const socket of open) socket.destroy();
    server.close();
  });
}
