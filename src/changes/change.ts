import * as z from 'zod';
import { createHash } from 'node:crypto';

export const snapshot = z.object({ text: z.string(), mode: z.number(), uid: z.number(), gid: z.number() });

export const argv = z.array(z.string()).min(1);

export const base = { step: z.string(), title: z.string() };

export const changeSchema = z.discriminatedUnion('kind', [
  z.object({
    ...base,
    kind: z.literal('file'),
    path: z.string(),
    before: snapshot.nullable(),
    after: z.object({ hash: z.string(), mode: z.number(), uid: z.number(), gid: z.number() }),
  }),
  z.object({ ...base, kind: z.literal('directory'), path: z.string() }),
  z.object({
    ...base,
    kind: z.literal('run'),
    undo: argv.nullable(),
    makes: z.array(z.string()),
    /** Which link shows that it is undone; journals of older versions know none. */
    undone: z.object({ link: z.string(), name: z.string() }).nullable().default(null),
    /** Set before the command runs: whoever finds it set cannot know how far the command came. */
    begun: z.boolean(),
  }),
  z.object({
    ...base,
    kind: z.literal('value'),
    path: z.string(),
    before: z.string(),
    wanted: z.string(),
    /** What was read back; null while it is being written. */
    after: z.string().nullable(),
    /** Which start of the system it was: the next one knows nothing of it. */
    boot: z.string(),
    unused: z.string().nullable(),
    promised: z.string().nullable(),
  }),
  z.object({ ...base, kind: z.literal('mount'), path: z.string(), type: z.string(), before: z.string().nullable() }),
]);

export type Change = z.infer<typeof changeSchema>;

export type ValueChange = Extract<Change, { kind: 'value' }>;

export type MountChange = Extract<Change, { kind: 'mount' }>;

export type FileChange = Extract<Change, { kind: 'file' }>;

export interface Origin {
  readonly step: string;
  readonly title: string;
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
