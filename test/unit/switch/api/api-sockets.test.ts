import assert from 'node:assert/strict';
import { ApiSocket } from '../../../../src/switch/api/api-sockets.js';
import type { ApiSocketSpec } from '../../../../src/switch/api/api-sockets.js';
import type { Host } from '../../../../src/host/host.js';

const PATH = '/run/vhost-host/api.sock';

/** Files by name, each with a number of its own; names change when the test lets them. */
class Place {
  readonly files = new Map<string, string>();
  open = 0;
  built = 0;
  held: (() => void)[] = [];
  holds = false;
  #made = 0;

  readonly host = {
    identity: (path: string) => Promise.resolve(this.files.get(path)),
    unlink: (path: string) => Promise.resolve(void this.files.delete(path)),
    chmod: () => Promise.resolve(),
    rename: async (from: string, to: string) => {
      if (this.holds) await new Promise<void>((resolve) => this.held.push(resolve));
      this.files.set(to, this.files.get(from) ?? '');
      this.files.delete(from);
    },
  } as unknown as Host;

  readonly socket = new ApiSocket(this.host, { path: PATH, gid: -1, clients: 1, build: () => this.#build() });

  #build(): ReturnType<ApiSocketSpec['build']> {
    this.built++;
    const listen = ({ path }: { path: string }): Promise<string> => {
      this.open++;
      this.files.set(path, `file ${++this.#made}`);
      return Promise.resolve(path);
    };
    const close = (): Promise<void> => Promise.resolve(void this.open--);
    return { listen, close, server: {} } as unknown as ReturnType<ApiSocketSpec['build']>;
  }

  /** What is under way comes to where it waits. */
  async settle(): Promise<void> {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }

  async release(): Promise<void> {
    this.holds = false;
    for (const go of this.held.splice(0)) go();
    await this.settle();
  }
}

describe('the sockets of the API', () => {
  it('one that is looked after while it is being opened is opened once, and nothing outlives its end', async () => {
    const place = new Place();
    place.holds = true;
    const opened = place.socket.open();
    await place.settle();
    const tended = place.socket.tend();
    await place.settle();
    await place.release();
    await opened;
    assert.equal(await tended, false);
    assert.equal(place.built, 1);
    await place.socket.close();
    assert.deepEqual([place.open, [...place.files]], [0, []]);
  });

  it('one whose name is gone is made anew; one that is closed meanwhile is gone as a whole', async () => {
    const place = new Place();
    await place.socket.open();
    place.files.clear();
    assert.equal(await place.socket.tend(), true);
    assert.deepEqual([place.built, place.open, place.files.get(PATH)], [2, 1, 'file 2']);
    place.files.clear();
    place.holds = true;
    const tended = place.socket.tend();
    await place.settle();
    const closed = place.socket.close();
    await place.settle();
    await place.release();
    await Promise.all([tended, closed]);
    assert.deepEqual([place.open, [...place.files]], [0, []]);
    assert.equal(await place.socket.tend(), false);
    assert.equal(place.open, 0);
  });
});
