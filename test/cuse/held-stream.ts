import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import type { Scope } from '../helpers/scope.js';
import { within } from '../helpers/until.js';

/** A way for the state of a guest that cannot be gone to its end before somebody opens it. */
export interface HeldStream {
  /** For the sending QEMU's `migrate`. */
  readonly uri: string;
  /** Of a migration that is active: lets all through; fulfilled once the end of it has been handed on. */
  release(to: Writable): Promise<void>;
}

/**
 * Nothing of the stream is read before its release, so that the sender, once the socket's buffers are full, waits with
 * its migration active. A low bandwidth does not do: what QEMU 10 sends of a page of zeros hardly counts.
 */
export async function holdStream(scope: Scope, path: string, deadline: number): Promise<HeldStream> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(path);
  await once(server, 'listening');
  let sender: Socket | undefined;
  server.on('connection', (socket) => (sender = socket));
  scope.defer('the way of a migration', () => {
    server.close();
    sender?.destroy();
  });
  return {
    uri: `unix:${path}`,
    release: async (to) => {
      assert.ok(sender);
      sender.pipe(to);
      await within(finished(to, { readable: false }), { deadline, what: 'the end of the migration' });
    },
  };
}
