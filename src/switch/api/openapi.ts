import * as z from 'zod';
import { buildApi } from './routes.js';
import type { Control, Route } from './routes.js';
import { Config } from '../config/config.js';
import { ApiError } from '../model/schema.js';

/** The control API and the configuration file as documents for programs: OpenAPI 3.1 and JSON Schema. */

type Json = Readonly<Record<string, unknown>>;

/** `input`: what may be sent or written; `output`: what comes. */
function schemaOf(shape: z.ZodType, io: 'input' | 'output'): Json {
  const schema: Record<string, unknown> = z.toJSONSchema(shape, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // Answers may grow, and a reader has to stand that.
      if (io === 'output') delete jsonSchema.additionalProperties;
      // Zod's own word, which validators do not know; the pattern beside it says the same.
      if (jsonSchema.format === 'starts_with') delete jsonSchema.format;
    },
  });
  delete schema['$schema'];
  return schema;
}

function content(schema: Json): Json {
  return { content: { 'application/json': { schema } } };
}

function parametersOf(params: z.ZodType | undefined): Json {
  if (!(params instanceof z.ZodObject)) return {};
  const parameters = Object.entries(params.shape as Record<string, z.ZodType>).map(([name, shape]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(shape, 'input'),
  }));
  return { parameters };
}

function operationOf({ params, body, response }: Route): Json {
  const answers = Object.entries(response).map(([status, shape]) => [
    status,
    { description: 'done', ...content(schemaOf(shape, 'output')) },
  ]);
  const error = { description: 'rejected or failed', ...content(schemaOf(ApiError, 'output')) };
  return {
    ...parametersOf(params),
    ...(body === undefined ? {} : { requestBody: { required: true, ...content(schemaOf(body, 'input')) } }),
    responses: Object.fromEntries([...answers, ['default', error]]) as Json,
  };
}

/** Of `api.sock`; `wrap.sock` has the version and the claims only. */
export async function apiDocument(version: string): Promise<Json> {
  const paths: Record<string, Record<string, Json>> = {};
  const api = buildApi({ version } as Control, (route) => {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  });
  await api.close();
  const info = {
    title: 'vhost-host',
    version,
    description: 'The control API of a running switch, on RUNDIR/api.sock.',
  };
  const sorted = Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1));
  return { openapi: '3.1.0', info, paths: Object.fromEntries(sorted) };
}

export function configSchema(): Json {
  const title = 'Configuration of the switch of vhost-host';
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title, ...schemaOf(Config, 'input') };
}
