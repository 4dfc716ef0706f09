import Fastify from 'fastify';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serializerCompiler } from 'fastify-type-provider-zod';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { VhostHostError, printable } from '../../common/errors.js';
import { dropsOf } from './drops.js';
import { httpError } from './http-errors.js';
import * as schema from '../model/schema.js';
import { describeFaults } from '../model/validate.js';

/** What the API needs of the switch; the daemon is one. */
export interface Control {
  readonly version: string;
  status(): schema.Status;
  ports(): schema.Port[];
  port(name: string): schema.Port;
  addPort(spec: schema.PortAdd): Promise<schema.Port>;
  removePort(name: string): Promise<void>;
  claimPort(spec: schema.PortClaim): Promise<schema.ClaimedPort>;
  uplinks(): schema.Uplink[];
  addUplink(spec: schema.UplinkAdd): Promise<schema.Uplink>;
  removeUplink(name: string): Promise<void>;
  macs(): schema.Mac[];
  stats(): schema.StatsList;
  /** Returns how many queues moved to another worker. */
  rebalance(): number;
  /** Begins the end; the answer to the request that asked for it has gone out by then. */
  stopSoon(): void;
  /** A fault of ours, for the log. */
  report(line: string): void;
}

type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse<IncomingMessage>,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What a route takes and gives, for whoever describes the API. */
export interface Route {
  readonly method: string;
  /** As Fastify writes it: `/v1/ports/:name`. */
  readonly path: string;
  readonly params?: z.ZodType;
  readonly body?: z.ZodType;
  /** By HTTP status. */
  readonly response: Readonly<Record<string, z.ZodType>>;
}

type Shapes = Pick<Route, 'params' | 'body' | 'response'>;
type OnRoute = (route: Route) => void;

const BODY_LIMIT = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const ByName = z.strictObject({ name: schema.PortName });

function baseApi(control: Control, onRoute?: OnRoute): Api {
  const api = Fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // At the end nobody's open connection may hold the switch; the answer to `stop` is out by then.
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>();
  if (onRoute !== undefined) {
    api.addHook('onRoute', ({ method, url, schema: shapes }) => {
      // Fastify answers HEAD beside each GET.
      if (typeof method === 'string' && method !== 'HEAD') onRoute({ method, path: url, ...(shapes as Shapes) });
    });
  }
  api.setValidatorCompiler<z.ZodType>(({ schema: shape }) => (value: unknown) => {
    const result = shape.safeParse(value);
    if (result.success) return { value: result.data };
    return { error: new VhostHostError('USAGE', describeFaults(undefined, shape, result.error)) };
  });
  api.setSerializerCompiler(serializerCompiler);
  api.setErrorHandler((error, request, reply) => {
    const { status, body } = httpError(asUsage(error));
    if (status === 500) control.report(`${request.method} ${printable(request.url)}: ${body.error.message}`);
    return reply.status(status).send(body);
  });
  api.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${printable(request.url)}`;
    return reply.status(404).send({ error: { code: 'USAGE', message } } satisfies schema.ApiError);
  });
  api.get('/v1/version', { schema: { response: { 200: schema.Version } } }, () => ({ version: control.version }));
  api.post(
    '/v1/ports/claim',
    { schema: { body: schema.PortClaim, response: { 200: schema.ClaimedPort } } },
    (request) => control.claimPort(request.body),
  );
  return api;
}

/** Fastify's own complaints about a request (no JSON, too large) are the client's fault, not ours. */
function asUsage(error: unknown): unknown {
  if (error instanceof VhostHostError || !(error instanceof Error)) return error;
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status !== 'number' || status >= 500) return error;
  return new VhostHostError('USAGE', printable(error.message), { cause: error });
}

/** For the group that runs QEMU: get a port, nothing else. */
export function buildClaimApi(control: Control): Api {
  return baseApi(control);
}

/** For the owner: everything. */
export function buildApi(control: Control, onRoute?: OnRoute): Api {
  const api = baseApi(control, onRoute);
  addPortRoutes(api, control);
  addUplinkRoutes(api, control);
  api.get('/v1/status', { schema: { response: { 200: schema.Status } } }, () => control.status());
  api.get('/v1/macs', { schema: { response: { 200: schema.MacList } } }, () => ({ macs: control.macs() }));
  api.get('/v1/stats', { schema: { response: { 200: schema.StatsList } } }, () => control.stats());
  api.get('/v1/drops', { schema: { response: { 200: schema.DropList } } }, () => dropsOf(control.stats()));
  api.post('/v1/workers/rebalance', { schema: { response: { 200: schema.Rebalanced } } }, () => ({
    moved: control.rebalance(),
  }));
  api.post('/v1/stop', { schema: { response: { 202: schema.Stopping } } }, async (_request, reply) => {
    reply.raw.once('close', () => control.stopSoon());
    return reply.status(202).send({ stopping: true as const, pid: process.pid });
  });
  return api;
}

function addPortRoutes(api: Api, control: Control): void {
  api.get('/v1/ports', { schema: { response: { 200: schema.PortList } } }, () => ({ ports: control.ports() }));
  api.post('/v1/ports', { schema: { body: schema.PortAdd, response: { 201: schema.Port } } }, async (request, reply) =>
    reply.status(201).send(await control.addPort(request.body)),
  );
  api.get('/v1/ports/:name', { schema: { params: ByName, response: { 200: schema.Port } } }, (request) =>
    control.port(request.params.name),
  );
  api.delete(
    '/v1/ports/:name',
    { schema: { params: ByName, response: { 200: schema.PortRemoved } } },
    async ({ params }) => {
      await control.removePort(params.name);
      return { removed: params.name };
    },
  );
}

function addUplinkRoutes(api: Api, control: Control): void {
  api.get('/v1/uplinks', { schema: { response: { 200: schema.UplinkList } } }, () => ({ uplinks: control.uplinks() }));
  api.post(
    '/v1/uplinks',
    { schema: { body: schema.UplinkAdd, response: { 201: schema.Uplink } } },
    async (request, reply) => reply.status(201).send(await control.addUplink(request.body)),
  );
  api.delete(
    '/v1/uplinks/:name',
    { schema: { params: ByName, response: { 200: schema.UplinkRemoved } } },
    async ({ params }) => {
      await control.removeUplink(params.name);
      return { removed: params.name };
    },
  );
}
