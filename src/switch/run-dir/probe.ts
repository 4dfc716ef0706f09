import { connect } from 'node:net';
import { errnoOf } from '../../common/errors.js';

export type SocketState = 'absent' | 'dead' | 'alive';

/** Long enough for a busy machine; a listener whose backlog is full counts as alive. */
const TIMEOUT_MS = 2000;

/**
 * Whether somebody listens on a UNIX socket. Only a refused connection proves that nobody does:
 * whatever else goes wrong counts as alive, so that nothing in use is ever taken away.
 */
export function probeSocket(path: string): Promise<SocketState> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const settle = (state: SocketState): void => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(TIMEOUT_MS, () => settle('alive'));
    socket.once('connect', () => settle('alive'));
    socket.once('error', (error) => {
      const errno = errnoOf(error);
      if (errno === 'ENOENT') settle('absent');
      else settle(errno === 'ECONNREFUSED' ? 'dead' : 'alive');
    });
  });
}
