import { strict as assert } from 'node:assert';
import { readFile, readdir } from 'node:fs/promises';
import { apiBreaks, schemaBreaks } from '../../helpers/api-breaks.js';
import { root } from '../../helpers/paths.js';

const DIR = `${root}docs/reference`;
const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(`${DIR}/${path}`, 'utf8')) as unknown;

/** The newest, by its numbers. */
async function lastRelease(): Promise<string> {
  const names = await readdir(`${DIR}/released`);
  const order = (name: string): number => name.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);
  return names.sort((a, b) => order(a) - order(b)).at(-1) ?? assert.fail('no release');
}

describe('what programs may rely on', () => {
  it('is broken nowhere but where CHANGELOG says so', async () => {
    const release = await lastRelease();
    const [api, config, wrap] = await Promise.all(
      ['openapi.json', 'switch.schema.json', 'qemu-wrap.schema.json'].map(async (name) => ({
        before: await read(`released/${release}/${name}`),
        now: await read(name),
      })),
    );
    const breaks = [
      ...apiBreaks(api?.before, api?.now),
      ...schemaBreaks('switch.json', config?.before, config?.now, true),
      ...schemaBreaks('qemu-wrap.json', wrap?.before, wrap?.now, true),
    ];
    const changelog = await readFile(`${root}CHANGELOG.md`, 'utf8');
    const unreleased = /^## Unreleased$([^]*?)(?=^## |$(?![^]))/m.exec(changelog)?.[1] ?? '';
    assert.deepEqual(
      breaks.filter((what) => !unreleased.includes(`\`${what}\``)),
      [],
    );
  });
});

describe('a break is seen', () => {
  const before = {
    paths: {
      '/v1/x': {
        post: {
          requestBody: {
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: {
                    a: { type: 'string', enum: ['p', 'q'] },
                    n: { type: 'integer', minimum: 1, maximum: 9 },
                    list: { type: 'array', items: { type: 'object', properties: { k: { type: 'string' } } } },
                  },
                  required: ['a'],
                },
              },
            },
          },
          responses: {
            200: {
              content: {
                'application/json': {
                  schema: {
                    type: 'object',
                    properties: { r: { type: 'string' }, s: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
                    required: ['r', 's'],
                  },
                },
              },
            },
          },
        },
      },
      '/v1/y': { get: { responses: {} } },
    },
  };
  const request = 'POST /v1/x request';
  const cases: [string, string, string, string[]][] = [
    ['a path that is gone', '"/v1/y"', '"/v1/z"', ['GET /v1/y gone']],
    ['a key that is gone', '"n":{"type":"integer","minimum":1,"maximum":9},', '', [`${request}.n gone`]],
    ['a key that has to be there now', '["a"]', '["a","n"]', [`${request}.n required`]],
    ['a value that is not taken any more', '["p","q"]', '["p"]', [`${request}.a value q`]],
    ['a bound from below', '"minimum":1', '"minimum":2', [`${request}.n minimum`]],
    ['a bound from above', '"maximum":9', '"maximum":8', [`${request}.n maximum`]],
    [
      'a bound where none was',
      '"type":"string","enum"',
      '"type":"string","maxLength":3,"enum"',
      [`${request}.a maxLength`],
    ],
    ['another type below a list', '"k":{"type":"string"}', '"k":{"type":"integer"}', [`${request}.list[].k type`]],
    ['an answer without a field', '"r":{"type":"string"},', '', ['POST /v1/x 200.r gone']],
    ['a field that may be missing', '["r","s"]', '["r"]', ['POST /v1/x 200.s optional']],
    ['a field that cannot be null any more, or otherwise', ',{"type":"null"}', '', ['POST /v1/x 200.s type']],
    ['another status', '"200"', '"201"', ['POST /v1/x 200 gone']],
  ];
  for (const [what, from, to, breaks] of cases) {
    it(what, () => {
      const text = JSON.stringify(before);
      assert.ok(text.includes(from));
      assert.deepEqual(apiBreaks(before, JSON.parse(text.replace(from, to))), breaks);
    });
  }

  it('and what only grows is none', () => {
    const text = JSON.stringify(before)
      .replace('["p","q"]', '["p","q","new"]')
      .replace('"maximum":9', '"maximum":99')
      .replace('"r":{', '"more":{"type":"string"},"r":{')
      .replace('"/v1/y"', '"/v1/more":{"get":{}},"/v1/y"');
    assert.deepEqual(apiBreaks(before, JSON.parse(text)), []);
    assert.deepEqual(apiBreaks(before, before), []);
  });
});
