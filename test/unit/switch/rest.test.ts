import { strict as assert } from 'node:assert';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { answeredError } from '../../../src/switch/answer.js';
import { call, request } from '../../../src/switch/rest.js';
import { failure, leaveDeadSocket, withDir } from './support.js';

async function withServer(handler: RequestListener, work: (socket: string) => Promise<void>): Promise<void> {
  await withDir(async (dir) => {
    const socket = join(dir, 's');
    await chmod(dir, 0o755);
    const server = createServer(handler);
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      await work(socket);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}

describe('the bare client', () => {
  it('sends method, path and body, and gives back status and body', () =>
    withServer(
      (req, res) => {
        let text = '';
        req.on('data', (chunk: Buffer) => (text += chunk.toString()));
        req.on('end', () => res.writeHead(201).end(JSON.stringify([req.method, req.url, text])));
      },
      async (socket) => {
        const answer = await request(socket, 'POST', '/v1/x', { a: 1 });
        assert.deepEqual(answer, { status: 201, body: ['POST', '/v1/x', '{"a":1}'] });
        assert.deepEqual((await request(socket, 'GET', '/')).body, ['GET', '/', '']);
      },
    ));

  it('says that no switch runs where there is no socket, or a dead one', () =>
    withDir(async (dir) => {
      const socket = join(dir, 's');
      for (const make of [() => Promise.resolve(), () => leaveDeadSocket(socket)]) {
        await make();
        const error = await failure('SWITCH_NOT_RUNNING', request(socket, 'GET', '/'));
        assert.equal(error.message, `no switch is running in ${dir}`);
        assert.equal(error.hint, 'vhost-host start');
      }
    }));

  it('gives up on a switch that does not answer, or not to the end', async () => {
    for (const handler of [() => undefined, (_: unknown, res: { write(text: string): void }) => res.write('[')]) {
      await withServer(handler, async (socket) => {
        const error = await failure('SWITCH_UNREACHABLE', request(socket, 'GET', '/', undefined, { timeoutMs: 50 }));
        assert.match(error.message, /nothing within 50 ms/);
      });
    }
  });

  it('does not swallow answers without end', () =>
    withServer(
      (_, res) => void res.end('x'.repeat(2000)),
      async (socket) => {
        const error = await failure('SWITCH_UNREACHABLE', request(socket, 'GET', '/', undefined, { maxBytes: 1000 }));
        assert.match(error.message, /more than 1000 bytes/);
      },
    ));

  it('notices an answer that is not JSON, and a connection that breaks', async () => {
    await withServer(
      (_, res) => void res.end('<html>'),
      async (socket) => {
        assert.match((await failure('SWITCH_UNREACHABLE', request(socket, 'GET', '/'))).message, /not JSON/);
      },
    );
    await withServer(
      (req) => req.socket.destroy(),
      async (socket) => void (await failure('SWITCH_UNREACHABLE', request(socket, 'GET', '/'))),
    );
  });

  it('names the socket that may not be opened', function () {
    return withServer(
      () => assert.fail('reached'),
      async (socket) => {
        await chmod(socket, 0);
        // Root may open anything, so for this moment the test is nobody.
        const isRoot = process.geteuid?.() === 0;
        try {
          if (isRoot) process.seteuid?.(65_534);
        } catch {
          // Debian 13's Node refuses it, since io_uring might go on as root.
          this.skip();
        }
        try {
          const error = await failure('SWITCH_UNREACHABLE', request(socket, 'GET', '/'));
          assert.equal(error.message, `no permission to use the switch's socket ${socket}`);
          assert.match(error.hint ?? '', /sudo/);
        } finally {
          if (isRoot) process.seteuid?.(0);
        }
      },
    );
  });

  it('turns an answered error into ours, with hint and details', () =>
    withServer(
      (_, res) => {
        const error = {
          code: 'PORT_UNKNOWN',
          message: 'there is no port x',
          hint: 'vhost-host ports',
          details: { a: 1 },
        };
        res.writeHead(404).end(JSON.stringify({ error }));
      },
      async (socket) => {
        const error = await failure('PORT_UNKNOWN', call(socket, 'GET', '/'));
        assert.deepEqual(
          [error.message, error.hint, error.details],
          ['there is no port x', 'vhost-host ports', { a: 1 }],
        );
      },
    ));

  it('copes with errors that are not in our shape', () => {
    assert.equal(answeredError({ status: 204, body: undefined }), undefined);
    for (const body of [undefined, null, 'no', {}, { error: 'no' }, { error: { code: 1, message: 2 } }]) {
      assert.equal(answeredError({ status: 500, body })?.code, 'SWITCH_UNREACHABLE');
    }
  });
});
