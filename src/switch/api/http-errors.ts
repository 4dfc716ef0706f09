import { VhostHostError, messageOf, printable } from '../../common/errors.js';
import type { ErrorCode } from '../../common/errors.js';
import type { ApiError } from '../model/schema.js';

const STATUS: Partial<Readonly<Record<ErrorCode, number>>> = {
  USAGE: 400,
  SOCKET_PATH_TOO_LONG: 400,
  PORT_UNKNOWN: 404,
  PORT_EXISTS: 409,
  PORT_IN_USE: 409,
  PORT_LIMIT: 409,
  PORT_FAILED: 422,
  UPLINK_UNKNOWN: 404,
  UPLINK_EXISTS: 409,
  UPLINK_LIMIT: 409,
  UPLINK_FAILED: 422,
};

/** The HTTP status and body that tell a client of an error. */
export function httpError(error: unknown): { status: number; body: ApiError } {
  if (!(error instanceof VhostHostError)) {
    return { status: 500, body: { error: { code: 'INTERNAL', message: printable(messageOf(error)) } } };
  }
  const { code, message, hint, details } = error;
  const body = { code, message, ...(hint === undefined ? {} : { hint }) };
  return {
    status: STATUS[code] ?? 500,
    body: { error: Object.keys(details).length === 0 ? body : { ...body, details: { ...details } } },
  };
}
