import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';

type Answer = (claim: unknown, response: ServerResponse) => void;

function give(claim: unknown, response: ServerResponse): void {
  const { name } = claim as { name: string };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ name, socket: `/fake/${name}.sock` }));
}

/** Answers claims on a socket as a switch would, or as the test wants it. */
export class FakeSwitch {
  readonly claims: unknown[] = [];
  private readonly server: Server;
  private arrived = (): void => undefined;
  /** Settles with the first claim. */
  readonly firstClaim = new Promise<void>((resolve) => (this.arrived = resolve));

  private constructor(
    private readonly socket: string,
    private readonly answer: Answer,
  ) {
    this.server = createServer((request, response) => void this.handle(request, response));
  }

  static async listen(socket: string, answer: Answer = give): Promise<FakeSwitch> {
    const fake = new FakeSwitch(socket, answer);
    fake.server.listen(socket);
    await once(fake.server, 'listening');
    return fake;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const claim: unknown = JSON.parse(await text(request));
    this.claims.push({ path: request.url, claim });
    this.answer(claim, response);
    this.arrived();
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
    rmSync(this.socket, { force: true });
  }
}
