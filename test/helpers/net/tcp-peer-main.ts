import { createCipheriv, createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The program behind tcp-peer.ts: `HOST PORT`. A connection says `take` and its data, or `give BYTES`. */

/** The same bytes each time, in which nothing repeats. */
export function pattern(bytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function serve(host: string, port: number): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    let given = false;
    const all = (): Buffer => Buffer.concat(chunks);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      const bytes = given ? undefined : /^give (\d+)\n/.exec(chunks[0]?.toString('latin1') ?? '')?.[1];
      if (bytes === undefined) return;
      given = true;
      socket.end(pattern(Number(bytes)));
    });
    socket.on('end', () => {
      const data = all();
      if (!given) socket.end(createHash('md5').update(data.subarray('take\n'.length)).digest('hex'));
    });
  });
  server.listen(port, host, () => process.stdout.write('listening\n'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(process.argv[2] ?? '', Number(process.argv[3]));
