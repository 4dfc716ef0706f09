import * as z from 'zod';
import { printable } from '../../common/errors.js';
import { nearest } from '../../common/suggest.js';

/** The keys an object schema knows at a path into it; none where the path leads to something else. */
function knownKeys(schema: unknown, path: readonly PropertyKey[]): readonly string[] {
  if (schema instanceof z.ZodOptional) return knownKeys(schema.unwrap(), path);
  const [step, ...rest] = path;
  if (schema instanceof z.ZodArray && step !== undefined) return knownKeys(schema.element, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  if (step === undefined) return Object.keys(schema.shape);
  return knownKeys(schema.shape[String(step)], rest);
}

function describePath(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${printable(String(step))}`))
    .join('');
}

/**
 * One line on everything that is wrong with a value: unknown keys by name, with the one that was
 * probably meant, and other faults by path and reason. `where` names the file; undefined where there is only one
 * thing that it can be about.
 */
export function describeFaults(where: string | undefined, schema: z.ZodType, error: z.ZodError): string {
  const place = where === undefined ? '' : ` in ${where}`;
  const faults = error.issues.flatMap((issue) => {
    const path = describePath(issue.path);
    if (issue.code !== 'unrecognized_keys') {
      return [`${path === '' ? '' : `${path}: `}${issue.message}${place}`];
    }
    const known = knownKeys(schema, issue.path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const help = meant === undefined ? `known keys: ${known.join(', ')}` : `did you mean "${meant}"?`;
      return `unknown key "${describePath([...issue.path, key])}"${place}; ${help}`;
    });
  });
  return faults.join('; ');
}
