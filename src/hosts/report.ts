import { z } from 'zod';
import { RundleError } from '../errors.js';

/**
 * What `./app.run --verify --json` prints, schema 1: stub/README.md, "The report of --verify". Everything has a bound; members
 * that are not known are left alone, since a newer launcher may add some.
 */

/** The schema that is read here. A later one is another document. */
const SCHEMA = 1;

const shortText = z.string().max(1024);
const longText = z.string().max(8192);
const id = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'is not an id such as user-namespaces');
const remedy = z.array(longText).max(64);

const checkSchema = z.object({
  id,
  group: shortText,
  result: z.enum(['pass', 'info', 'warn', 'fail']),
  detail: longText,
  value: shortText.nullable(),
  remedy,
});

const tierSchema = z.object({ name: id, works: z.boolean(), reason: longText.nullable(), remedy });

const requirementSchema = z.object({
  text: shortText,
  met: z.boolean(),
  found: longText.nullable(),
  remedy,
});

const jobSchema = z.object({
  manager: shortText,
  id: shortText.nullable(),
  node: shortText.nullable(),
  rank: shortText.nullable(),
});

const hostSchema = z.object({
  name: shortText.min(1),
  machine: shortText,
  kernel: shortText,
  distribution: shortText,
  kind: shortText,
  container: shortText.nullable(),
  job: jobSchema.nullable(),
  cpu: shortText,
  cpus: z.int().min(0),
  memory: z.int().min(0),
  uid: z.int().min(0),
});

const bundleSchema = z.object({
  name: shortText,
  id: z.string().regex(/^[0-9a-f]{64}$/, 'is not 64 hexadecimal digits'),
  arch: z.array(shortText).max(64),
});

/** The exit status that goes with each verdict. */
export const VERDICT_STATUS = { best: 0, lesser: 2, none: 1 } as const;

export type Verdict = keyof typeof VERDICT_STATUS;

const reportSchema = z
  .object({
    schema: z.literal(SCHEMA),
    rundle: shortText,
    verdict: z.enum(['best', 'lesser', 'none']),
    exitStatus: z.int(),
    tier: id.nullable(),
    bundle: bundleSchema,
    host: hostSchema,
    tiers: z.array(tierSchema).max(16),
    requirements: z.array(requirementSchema).max(1024),
    checks: z.array(checkSchema).max(256),
  })
  .refine(({ verdict, exitStatus }) => VERDICT_STATUS[verdict] === exitStatus, {
    path: ['exitStatus'],
    message: 'does not go with the verdict',
  })
  .refine(({ verdict, tier }) => (verdict === 'none') === (tier === null), {
    path: ['tier'],
    message: 'does not go with the verdict',
  })
  .refine(({ tiers }) => areDifferent(tiers.map(({ name }) => name)), {
    path: ['tiers'],
    message: 'one tier stands there twice',
  })
  .refine(({ checks }) => areDifferent(checks.map((check) => check.id)), {
    path: ['checks'],
    message: 'one id stands there twice',
  });

/** The report of one process on one host. */
export type Report = z.infer<typeof reportSchema>;

/** True for what claims to be a report, of whatever schema; other documents are somebody else's. */
export function claimsToBeReport(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'schema' in value &&
    Object.hasOwn(value, 'verdict')
  );
}

/** `value` as a report of schema 1; `where` begins messages. Throws E_FORMAT, and E_UNSUPPORTED for a later schema. */
export function parseReport(value: unknown, where: string): Report {
  const schema = (value as { schema?: unknown } | null)?.schema;
  if (typeof schema === 'number' && Number.isInteger(schema) && schema > SCHEMA) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `${where}: a report of schema ${schema}; known is ${SCHEMA}`,
      {
        hint: 'use a rundle that is as new as the one which built the bundle',
      },
    );
  }
  const result = reportSchema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.') || 'report'}: ${message}`);
  throw new RundleError('E_FORMAT', `${where}: ${faults.join('; ')}`, { cause: result.error });
}

function areDifferent(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}
