import * as v from 'valibot';
import { list, object, record } from '../schema.js';
import type { Digest } from './digest.js';
import { check, digestSchema, parseJson, plainText } from './document.js';
import type { Platform } from './platform.js';

/** How an image wants to be run: config.md of the OCI image spec, made uniform. */
export interface ImageConfig {
  architecture: string;
  os: string;
  variant?: string;
  /** RFC 3339, as it stands in the config. */
  created?: string;
  /** Undefined when the config has none; an empty list counts as none. */
  entrypoint: string[] | undefined;
  /** As `entrypoint`. */
  cmd: string[] | undefined;
  /** `KEY=VALUE`, in the config's order. */
  env: string[];
  /** Absolute; `/` when the config has none. */
  workingDir: string;
  /** `user[:group]` by name or number; empty when the config has none. */
  user: string;
  labels: Record<string, string>;
  /** Paths, sorted. */
  volumes: string[];
  /** `port[/protocol]`, sorted. */
  exposedPorts: string[];
  /** For example `SIGTERM`; undefined when the config has none. */
  stopSignal: string | undefined;
}

const words = v.nullish(list(plainText, 65_536));
/** Go writes a set as a map to empty objects. */
const set = v.nullish(record(plainText, v.unknown()));

const configSchema = object({
  architecture: v.optional(plainText, ''),
  os: v.optional(plainText, ''),
  variant: v.nullish(plainText),
  created: v.nullish(plainText),
  config: v.nullish(
    object({
      Entrypoint: words,
      Cmd: words,
      Env: words,
      WorkingDir: v.nullish(plainText),
      User: v.nullish(plainText),
      Labels: v.nullish(record(plainText, plainText)),
      Volumes: set,
      ExposedPorts: set,
      StopSignal: v.nullish(plainText),
    }),
  ),
  rootfs: object({
    type: v.literal('layers'),
    diff_ids: v.nullish(list(digestSchema, 4096)),
  }),
});

/** An image config document and the diffIDs of its layers, bottom first. */
export interface ParsedConfig {
  config: ImageConfig;
  diffIds: Digest[];
}

/** Reads an image config; `where` begins messages. Throws E_FORMAT. */
export function parseConfig(bytes: Uint8Array, where: string): ParsedConfig {
  const document = check(configSchema, parseJson(bytes, where), where);
  const run = document.config ?? {};
  const directory = run.WorkingDir || '/';
  return {
    config: {
      architecture: document.architecture,
      os: document.os,
      ...(document.variant && { variant: document.variant }),
      ...(document.created && { created: document.created }),
      entrypoint: listOrNone(run.Entrypoint),
      cmd: listOrNone(run.Cmd),
      env: run.Env ?? [],
      workingDir: directory.startsWith('/') ? directory : `/${directory}`,
      user: run.User ?? '',
      labels: run.Labels ?? {},
      volumes: Object.keys(run.Volumes ?? {}).sort(),
      exposedPorts: Object.keys(run.ExposedPorts ?? {}).sort(),
      stopSignal: run.StopSignal || undefined,
    },
    diffIds: document.rootfs.diff_ids ?? [],
  };
}

/** The config of a tree that came without one. */
export function emptyImageConfig(platform: Platform): ImageConfig {
  return {
    ...platform,
    entrypoint: undefined,
    cmd: undefined,
    env: [],
    workingDir: '/',
    user: '',
    labels: {},
    volumes: [],
    exposedPorts: [],
    stopSignal: undefined,
  };
}

function listOrNone(list: string[] | null | undefined): string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
