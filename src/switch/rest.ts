import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../errors.js';
import type { ErrorCode } from '../errors.js';

/**
 * The bare client of the control API: JSON over HTTP over a UNIX socket. Kept free of heavy
 * imports, because qemu-wrap loads it on every start of a guest.
 */

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface RequestLimits {
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

const TIMEOUT_MS = 10_000;
/** Far above the answer about a full switch; a bound only against what is not our switch. */
const MAX_BYTES = 32 * 1024 * 1024;

function connectionError(socket: string, error: unknown): VhostHostError {
  if (error instanceof VhostHostError) return error;
  const errno = errnoOf(error);
  const options = { cause: error, details: { socket, errno } };
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED' || errno === 'ENOTDIR') {
    return new VhostHostError('SWITCH_NOT_RUNNING', `no switch is running in ${dirname(socket)}`, {
      ...options,
      hint: 'vhost-host start',
    });
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new VhostHostError('SWITCH_UNREACHABLE', `no permission to use the switch's socket ${socket}`, {
      ...options,
      hint: 'sudo vhost-host …, or start a switch of your own: vhost-host start --run-dir DIR',
    });
  }
  const reason = printable(messageOf(error));
  return new VhostHostError('SWITCH_UNREACHABLE', `the switch at ${socket} does not answer: ${reason}`, options);
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`its answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (error) {
    throw new Error('its answer is not JSON', { cause: error });
  }
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
      const req = httpRequest({ socketPath: apiSocket, method, path, headers, signal, agent: false }, resolve);
      req.on('error', reject);
      req.end(payload);
    });
    return { status: response.statusCode ?? 0, body: await readBody(response, maxBytes) };
  } catch (error) {
    if (signal.aborted) throw connectionError(apiSocket, new Error(`nothing within ${timeoutMs} ms`));
    throw connectionError(apiSocket, error);
  }
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/** The error that an answer stands for; undefined where it is a success. */
export function answeredError(answer: Answer): VhostHostError | undefined {
  if (answer.status >= 200 && answer.status < 300) return undefined;
  const error = field(answer.body, 'error');
  const code = field(error, 'code');
  const message = field(error, 'message');
  if (typeof code !== 'string' || typeof message !== 'string') {
    return new VhostHostError('SWITCH_UNREACHABLE', `the switch answered with HTTP status ${answer.status}`);
  }
  const hint = field(error, 'hint');
  const details = field(error, 'details');
  // Both ends come from this package, so the code is one of ours.
  return new VhostHostError(code as ErrorCode, message, {
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(typeof details === 'object' && details !== null ? { details: details as Record<string, unknown> } : {}),
  });
}

/** A request whose failure is thrown as the error that the switch named. */
export async function call(apiSocket: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await request(apiSocket, method, path, body);
  const error = answeredError(answer);
  if (error !== undefined) throw error;
  return answer.body;
}
