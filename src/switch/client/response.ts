import { dirname } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import type { ErrorCode } from '../../common/errors.js';

/** What comes back from the control API, and what it means. Light enough for qemu-wrap. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Nobody there, no permission, or no sense in what was said: told apart by what a user can do about it. */
export function connectionError(socket: string, error: unknown): VhostHostError {
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

/** A body as JSON; nothing is undefined. */
export function parseBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error('its answer is not JSON', { cause: error });
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
