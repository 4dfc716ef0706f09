/** What of a document of docs/reference a program that was written for an older one cannot do any more. */

type Json = Readonly<Record<string, unknown>>;

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

const at = (value: unknown, ...path: readonly string[]): Json =>
  path.reduce<Json>((json, step) => object(json[step]), object(value));

/** Bounds of what may be sent: narrower is a break. */
const LEAST = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'];
const MOST = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'];

function narrowed(where: string, before: Json, now: Json): string[] {
  const worse = [
    ...LEAST.filter((key) => typeof now[key] === 'number' && !((before[key] as number) >= now[key])),
    ...MOST.filter((key) => typeof now[key] === 'number' && !((before[key] as number) <= now[key])),
    ...(now['pattern'] === undefined || now['pattern'] === before['pattern'] ? [] : ['pattern']),
  ];
  return worse.map((key) => `${where} ${key}`);
}

function kinds(schema: Json): string {
  const { type, anyOf, oneOf } = schema;
  return JSON.stringify([type, list(anyOf ?? oneOf).map((one) => kinds(object(one)))]);
}

/**
 * `sent`: what a program sends or writes, which must still be taken. Otherwise what it reads, all of which must still
 * come; that more comes, and another value of an enumeration, it has to stand.
 */
export function schemaBreaks(where: string, before: unknown, now: unknown, sent: boolean): string[] {
  const [a, b] = [object(before), object(now)];
  if (Object.keys(a).length === 0) return sent && Object.keys(b).length > 0 ? [`${where} narrowed`] : [];
  const breaks = kinds(a) === kinds(b) ? [] : [`${where} type`];
  if (sent) {
    const values = list(b['enum']);
    const gone = values.length === 0 ? [] : list(a['enum']).filter((value) => !values.includes(value));
    if (values.length > 0 && a['enum'] === undefined) breaks.push(`${where} enum`);
    breaks.push(...gone.map((value) => `${where} value ${String(value)}`), ...narrowed(where, a, b));
  }
  const [had, has] = [at(a, 'properties'), at(b, 'properties')];
  for (const [name, schema] of Object.entries(had)) {
    const place = `${where}.${name}`;
    if (!(name in has)) breaks.push(`${place} gone`);
    else breaks.push(...schemaBreaks(place, schema, has[name], sent));
  }
  const [mustBefore, mustNow] = [list(a['required']), list(b['required'])];
  const [more, less] = [
    mustNow.filter((name) => !mustBefore.includes(name)),
    mustBefore.filter((name) => !mustNow.includes(name) && String(name) in has),
  ];
  breaks.push(...(sent ? more : less).map((name) => `${where}.${String(name)} ${sent ? 'required' : 'optional'}`));
  if (a['items'] !== undefined) breaks.push(...schemaBreaks(`${where}[]`, a['items'], b['items'], sent));
  const [alternatives, others] = [list(a['anyOf']), list(b['anyOf'])];
  if (alternatives.length === others.length) {
    alternatives.forEach((one, i) => breaks.push(...schemaBreaks(where, one, others[i], sent)));
  }
  return breaks;
}

const bodyOf = (of: unknown): unknown => at(of, 'content', 'application/json')['schema'];

export function apiBreaks(before: unknown, now: unknown): string[] {
  const breaks: string[] = [];
  for (const [path, methods] of Object.entries(at(before, 'paths'))) {
    for (const [method, operation] of Object.entries(object(methods))) {
      const name = `${method.toUpperCase()} ${path}`;
      const found = at(now, 'paths', path)[method];
      if (found === undefined) {
        breaks.push(`${name} gone`);
        continue;
      }
      const bodies = [at(operation, 'requestBody'), at(found, 'requestBody')].map(bodyOf);
      if (bodies[0] === undefined && bodies[1] !== undefined) breaks.push(`${name} request required`);
      else breaks.push(...schemaBreaks(`${name} request`, bodies[0], bodies[1], true));
      for (const [status, answer] of Object.entries(at(operation, 'responses'))) {
        const other = at(found, 'responses')[status];
        if (other === undefined) breaks.push(`${name} ${status} gone`);
        else breaks.push(...schemaBreaks(`${name} ${status}`, bodyOf(answer), bodyOf(other), false));
      }
    }
  }
  return breaks;
}
