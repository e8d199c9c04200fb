import * as v from 'valibot';
import { RundleError } from '../errors.js';
import { count, integer, list, listFaults, object, validate } from '../schema.js';

/**
 * What `./app.run --verify --json` prints, schema 1: stub/README.md, "The report of --verify". Everything has a bound; members
 * that are not known are left alone, since a newer launcher may add some.
 */

/** The schema that is read here. A later one is another document. */
const SCHEMA = 1;

const shortText = v.pipe(v.string(), v.maxLength(1024));
const longText = v.pipe(v.string(), v.maxLength(8192));
const id = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]{0,63}$/, 'is not an id such as user-namespaces'),
);
const remedy = list(longText, 64);

const checkSchema = object({
  id,
  group: shortText,
  result: v.picklist(['pass', 'info', 'warn', 'fail']),
  detail: longText,
  value: v.nullable(shortText),
  remedy,
});

const tierSchema = object({ name: id, works: v.boolean(), reason: v.nullable(longText), remedy });

const requirementSchema = object({
  text: shortText,
  met: v.boolean(),
  found: v.nullable(longText),
  remedy,
});

const jobSchema = object({
  manager: shortText,
  id: v.nullable(shortText),
  node: v.nullable(shortText),
  rank: v.nullable(shortText),
});

const hostSchema = object({
  name: v.pipe(shortText, v.minLength(1)),
  machine: shortText,
  kernel: shortText,
  distribution: shortText,
  kind: shortText,
  container: v.nullable(shortText),
  job: v.nullable(jobSchema),
  cpu: shortText,
  cpus: count,
  memory: count,
  uid: count,
});

const bundleSchema = object({
  name: shortText,
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is not 64 hexadecimal digits')),
  arch: list(shortText, 64),
});

/** The exit status that goes with each verdict. */
export const VERDICT_STATUS = { best: 0, lesser: 2, none: 1 } as const;

export type Verdict = keyof typeof VERDICT_STATUS;

const reportSchema = v.pipe(
  object({
    schema: v.literal(SCHEMA),
    rundle: shortText,
    verdict: v.picklist(['best', 'lesser', 'none']),
    exitStatus: integer,
    tier: v.nullable(id),
    bundle: bundleSchema,
    host: hostSchema,
    tiers: list(tierSchema, 16),
    requirements: list(requirementSchema, 1024),
    checks: list(checkSchema, 256),
  }),
  v.forward(
    v.check(
      ({ verdict, exitStatus }) => VERDICT_STATUS[verdict] === exitStatus,
      'does not go with the verdict',
    ),
    ['exitStatus'],
  ),
  v.forward(
    v.check(
      ({ verdict, tier }) => (verdict === 'none') === (tier === null),
      'does not go with the verdict',
    ),
    ['tier'],
  ),
  v.forward(
    v.check(
      ({ tiers }) => areDifferent(tiers.map(({ name }) => name)),
      'one tier stands there twice',
    ),
    ['tiers'],
  ),
  v.forward(
    v.check(
      ({ checks }) => areDifferent(checks.map((check) => check.id)),
      'one id stands there twice',
    ),
    ['checks'],
  ),
);

/** The report of one process on one host. */
export type Report = v.InferOutput<typeof reportSchema>;

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
  const result = validate(reportSchema, value);
  if (result.valid) return result.value;
  throw new RundleError('E_FORMAT', `${where}: ${listFaults(result.faults, 'report')}`);
}

function areDifferent(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}
