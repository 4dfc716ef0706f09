import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { answeredError } from '../../../../src/switch/client/response.js';
import { call, request } from '../../../../src/switch/client/http.js';
import { leaving } from '../../../helpers/capabilities.js';
import { failure, leaveDeadSocket, withDir } from '../support.js';

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

  it('names the socket that may not be opened', () =>
    withServer(
      () => assert.fail('reached'),
      async (socket) => {
        await chmod(socket, 0);
        // Root may open anything, but for one without capabilities.
        const own = process.geteuid?.() === 0 ? ['setpriv', ...leaving([], '0')] : [];
        const rest = new URL('../../../../src/switch/client/http.js', import.meta.url).href;
        const code = `import { request } from '${rest}'; await request(process.argv[1], 'GET', '/').catch(({ code, message, hint }) => console.log(JSON.stringify([code, message, hint])));`;
        const [program = '', ...args] = [...own, process.execPath, '--input-type=module', '-e', code, socket];
        const { stdout } = await promisify(execFile)(program, args);
        const [name, message, hint] = JSON.parse(stdout) as string[];
        assert.deepEqual([name, message], ['SWITCH_UNREACHABLE', `no permission to use the switch's socket ${socket}`]);
        assert.match(hint ?? '', /sudo/);
      },
    ));

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
