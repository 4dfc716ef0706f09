import { strict as assert } from 'node:assert';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { packageVersion } from '../../../../src/common/package.js';
import { SwitchClient } from '../../../../src/switch/client/client.js';
import { request } from '../../../../src/switch/client/http.js';
import { apiSocketPath, portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import { ApiError } from '../../../../src/switch/model/schema.js';
import { failure, withDaemon, withDir } from '../support.js';

function errorOf(body: unknown): ApiError['error'] {
  return ApiError.parse(body).error;
}

const MAC = { mac: '02:00:00:00:00:01', vlan: 0, port: 'a', id: 0, ageSeconds: 1 };

type Case = [string, string, string, unknown, number, string, RegExp];

/** A process id that is none. */
function claimOf(pid: unknown): Case {
  const claim = { name: 'x', queues: 1, exact: true, claimant: { pid, started: 1 } };
  return [`a claim of process ${String(pid)}`, 'POST', '/v1/ports/claim', claim, 400, 'USAGE', /^claimant\.pid: /];
}

describe('the API: each error', () => {
  const cases: Case[] = [
    ['an unknown path', 'GET', '/v1/nix', undefined, 404, 'USAGE', /^there is no GET \/v1\/nix$/],
    ['an unknown port', 'GET', '/v1/ports/x', undefined, 404, 'PORT_UNKNOWN', /^there is no port x$/],
    ['an unknown port to remove', 'DELETE', '/v1/ports/x', undefined, 404, 'PORT_UNKNOWN', /^there is no port x$/],
    ['a name that is none', 'GET', '/v1/ports/-x', undefined, 400, 'USAGE', /^name: a port name has [^;]*$/],
    [
      'a misspelt key',
      'POST',
      '/v1/ports',
      { name: 'x', queue: 1 },
      400,
      'USAGE',
      /^unknown key "queue"; did you mean "queues"\?$/,
    ],
    ['a missing body', 'POST', '/v1/ports', undefined, 400, 'USAGE', /expected object/],
    ['a port there is', 'POST', '/v1/ports', { name: 'a' }, 409, 'PORT_EXISTS', /^port a exists already$/],
    [
      'too many queues',
      'POST',
      '/v1/ports',
      { name: 'x', queues: 5 },
      409,
      'PORT_LIMIT',
      /^port x: 5 queue pairs asked for, a port has at most 4$/,
    ],
    ['no queues', 'POST', '/v1/ports', { name: 'x', queues: 0 }, 400, 'USAGE', /^queues: /],
    [
      'a relative socket',
      'POST',
      '/v1/ports',
      { name: 'x', socket: 'y' },
      400,
      'USAGE',
      /^socket path y is not absolute$/,
    ],
    [
      'a socket too long',
      'POST',
      '/v1/ports',
      { name: 'x', socket: `/${'y'.repeat(107)}` },
      400,
      'SOCKET_PATH_TOO_LONG',
      /at most 107/,
    ],
    claimOf(0),
    claimOf(1.5),
    claimOf(4_194_305),
    claimOf('../1'),
    ['a claim without all it needs', 'POST', '/v1/ports/claim', { name: 'x' }, 400, 'USAGE', /^queues: .*; exact: /],
  ];
  for (const [what, method, path, body, status, code, message] of cases) {
    it(what, () =>
      withDaemon(
        async ({ runDir }) => {
          const answer = await request(apiSocketPath(runDir), method, path, body);
          const error = errorOf(answer.body);
          assert.deepEqual([answer.status, error.code], [status, code]);
          assert.match(error.message, message);
        },
        { ports: [{ name: 'a' }] },
      ),
    );
  }

  it("another port's socket", () =>
    withDaemon(
      async ({ runDir }) => {
        const socket = portSocketPath(runDir, 'a');
        const error = await failure('PORT_FAILED', new SwitchClient(runDir).addPort({ name: 'x', socket }));
        assert.equal(error.message, `port x: ${socket} is the socket of port a`);
      },
      { ports: [{ name: 'a' }] },
    ));

  it('a full switch', () =>
    withDaemon(
      async ({ runDir }) => {
        const error = await failure('PORT_LIMIT', new SwitchClient(runDir).addPort({ name: 'x' }));
        assert.equal(error.message, 'the switch is full: 40 ports');
      },
      { ports: Array.from({ length: 40 }, (_, i) => ({ name: `p${i}` })) },
    ));

  it("the engine's refusals, by its code, after which the name is free again", () =>
    withDaemon(async ({ runDir, binding }) => {
      const client = new SwitchClient(runDir);
      for (const [errno, code] of [
        ['EEXIST', 'PORT_EXISTS'],
        ['ENOSPC', 'PORT_LIMIT'],
        ['EADDRINUSE', 'PORT_FAILED'],
      ] as const) {
        binding.addError = Object.assign(new Error(`no: ${errno}`), { code: errno });
        assert.equal((await failure(code, client.addPort({ name: 'x' }))).message, `port x: no: ${errno}`);
      }
      binding.addError = undefined;
      await client.addPort({ name: 'x' });
    }));

  it('a fault of ours is told without a trace of its inside, and logged', () =>
    withDaemon(async ({ runDir, binding, log }) => {
      binding.macs = () => {
        throw new Error('broken');
      };
      const answer = await request(apiSocketPath(runDir), 'GET', '/v1/macs');
      assert.deepEqual(answer, { status: 500, body: { error: { code: 'INTERNAL', message: 'broken' } } });
      assert.ok(log.some((line) => line.endsWith('GET /v1/macs: broken')));
    }));

  it('a body that is not JSON', () =>
    withDaemon(async ({ runDir }) => {
      const text = await new Promise<string>((resolve, reject) => {
        let got = '';
        const client = connect(apiSocketPath(runDir));
        client.on('data', (chunk) => (got += chunk.toString()));
        client.on('end', () => resolve(got));
        client.on('error', reject);
        const head = 'POST /v1/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n';
        client.write(`${head}Content-Length: 1\r\n\r\n{`);
      });
      assert.match(text, /^HTTP\/1\.1 400 /);
      assert.match(text, /"code":"USAGE"/);
    }));

  describe('a switch of another version', () => {
    /** Answers by path; whatever else is unknown to it. */
    async function withOther(answers: Readonly<Record<string, object>>, work: (client: SwitchClient) => Promise<void>) {
      await withDir(async (dir) => {
        const server = createServer((request, response) => {
          const answer = answers[`${request.method} ${request.url}`];
          response.statusCode = answer === undefined ? 400 : 200;
          response.end(
            JSON.stringify(answer ?? { error: { code: 'USAGE', message: 'unknown key "forwardReserved"' } }),
          );
        });
        await new Promise<void>((resolve) => server.listen(apiSocketPath(dir), resolve));
        try {
          await work(new SwitchClient(dir));
        } finally {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        }
      });
    }
    const old = { 'GET /v1/version': { version: '0.0.9' } };
    const versions = `the running switch is version 0.0.9, this command ${packageVersion()}: `;
    const hint = 'vhost-host stop && vhost-host start (guests reconnect; until then they go on, and stop works)';

    it('that says more is understood', () =>
      withOther(
        { 'GET /v1/ports': { ports: [], pages: 1 }, 'GET /v1/macs': { macs: [{ ...MAC, seen: [1] }] } },
        async (client) => {
          assert.deepEqual(await client.ports(), { ports: [] });
          assert.deepEqual(await client.macs(), { macs: [MAC] });
        },
      ));

    it('that says less is named, with what works', () =>
      withOther(
        { ...old, 'GET /v1/ports': { ports: [{ id: 1, more: 2 }] }, 'POST /v1/stop': { stopping: true, pid: 7 } },
        async (client) => {
          const error = await failure('SWITCH_UNREACHABLE', client.ports());
          assert.ok(
            error.message.startsWith(`${versions}its answer is not understood: ports[0].name: `),
            error.message,
          );
          assert.doesNotMatch(error.message, /unknown key/);
          assert.equal(error.hint, hint);
          assert.deepEqual(await client.stop(), { stopping: true, pid: 7 });
        },
      ));

    it('that knows no word of a spec is named, one of this version is not', async () => {
      const spec = { name: 'a', forwardReserved: true };
      await withOther(old, async (client) => {
        const error = await failure('USAGE', client.addPort(spec));
        assert.deepEqual([error.message, error.hint], [`${versions}unknown key "forwardReserved"`, hint]);
      });
      await withOther({ 'GET /v1/version': { version: packageVersion() } }, async (client) => {
        const error = await failure('USAGE', client.addPort(spec));
        assert.deepEqual([error.message, error.hint], ['unknown key "forwardReserved"', undefined]);
      });
    });

    it('that does not even say which', () =>
      withOther({ 'GET /v1/ports': {} }, async (client) => {
        const error = await failure('SWITCH_UNREACHABLE', client.ports());
        assert.match(error.message, /^the running switch is version unknown, /);
      }));
  });
});
