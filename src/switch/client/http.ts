import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { answeredError, connectionError, parseBody } from './response.js';
import type { Answer } from './response.js';

/** The bare client of the control API: JSON over HTTP over a UNIX socket. */

/**
 * Not by `import`, which has Node 22 and newer evaluate all that the module exports, with its client for WebSockets, and
 * that dies without WebAssembly (`node-flags.ts`). Nor before there is something to ask.
 */
const loadHttp = (): typeof import('node:http') =>
  createRequire(import.meta.url)('node:http') as typeof import('node:http');

export interface RequestLimits {
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

const TIMEOUT_MS = 10_000;
/** Far above the answer about a full switch; a bound only against what is not our switch. */
const MAX_BYTES = 32 * 1024 * 1024;

async function readBody(response: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`its answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return parseBody(Buffer.concat(chunks).toString('utf8'));
}

/** One request; any status is an answer, only a missing or silent switch is an error. */
export async function request(
  apiSocket: string,
  method: string,
  path: string,
  body?: unknown,
  { timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES }: RequestLimits = {},
): Promise<Answer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  // For the whole exchange: a peer that sends a byte now and then must not hold us either.
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length };
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const req = loadHttp().request({ socketPath: apiSocket, method, path, headers, signal, agent: false }, resolve);
      req.on('error', reject);
      req.end(payload);
    });
    return { status: response.statusCode ?? 0, body: await readBody(response, maxBytes) };
  } catch (error) {
    if (signal.aborted) throw connectionError(apiSocket, new Error(`nothing within ${timeoutMs} ms`));
    throw connectionError(apiSocket, error);
  }
}

/** A request whose failure is thrown as the error that the switch named. */
export async function call(apiSocket: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await request(apiSocket, method, path, body);
  const error = answeredError(answer);
  if (error !== undefined) throw error;
  return answer.body;
}
