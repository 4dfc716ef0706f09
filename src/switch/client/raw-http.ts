import { answeredError, connectionError, parseBody } from './response.js';
import type { Answer } from './response.js';

/**
 * One POST to the control API by hand, for qemu-wrap: Node's HTTP client alone would cost a start of a
 * guest more than all the rest of the planning.
 */

/** Sends a text to a UNIX socket and gives what came back until the peer closed. */
export type Exchange = (socket: string, text: string) => Promise<string>;

/** HTTP/1.0, so that the end of the answer is the end of the connection, and no part of it comes in chunks. */
function printRequest(path: string, payload: string): string {
  const head = [
    `POST ${path} HTTP/1.0`,
    'host: localhost',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(payload)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${payload}`;
}

function parseAnswer(text: string): Answer {
  const split = text.indexOf('\r\n\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(text)?.[1];
  if (split < 0 || status === undefined) throw new Error('its answer is not HTTP');
  const body = text.slice(split + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, split))?.[1];
  if (length !== undefined && Number(length) !== Buffer.byteLength(body)) throw new Error('its answer is cut off');
  return { status: Number(status), body: parseBody(body) };
}

/** Posts JSON; a failure is thrown as the error that the switch named. */
export async function post(exchange: Exchange, apiSocket: string, path: string, body: unknown): Promise<unknown> {
  let answer: Answer;
  try {
    answer = parseAnswer(await exchange(apiSocket, printRequest(path, JSON.stringify(body))));
  } catch (error) {
    throw connectionError(apiSocket, error);
  }
  const error = answeredError(answer);
  if (error !== undefined) throw error;
  return answer.body;
}
